import { once } from "node:events";
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { Logger } from "pino";

export type Gateway = { url: string; close(): Promise<void> };

type Fetch = { fetch(request: Request): Response | Promise<Response> };

/**
 * Routes as API Gateway does in the cloud: agents' requests to one function, all others to the API.
 */
export async function startGateway(options: {
  api: Fetch;
  agents: Fetch;
  port: number;
  log: Logger;
}): Promise<Gateway> {
  const { api, agents, log } = options;
  const server = createAdaptorServer({
    fetch: (request: Request) => {
      const { pathname } = new URL(request.url);
      return (pathname.startsWith("/agent/") ? agents : api).fetch(request);
    },
  }) as Server;
  server.on("clientError", (error) => log.debug({ error }, "a client broke off"));
  server.listen(options.port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
