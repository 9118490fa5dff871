import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import { CONNECTIONS_MAX, serverLimits } from "../emulators/aws/http/loopback.ts";
import { createApiPage, isForApiPage } from "./api-page.ts";
import { isForApi } from "./dashboard.ts";
import type { TlsFiles } from "./tls-files.ts";

export type Gateway = {
  url: string;
  /** Stops listening, waits a while for the answers to operators and agents, cuts connections. */
  close(): Promise<void>;
};

/** @param env what Node's server knows of the connection */
type Fetch = { fetch(request: Request, env?: unknown): Response | Promise<Response> };

/** Where hosts reach their queues, below the address that they have for the control plane. */
export const QUEUES_PATH = "/queues";
/** The SDK ends it with a slash. */
const QUEUES_PATHS = new Set([QUEUES_PATH, `${QUEUES_PATH}/`]);

/** Each agent keeps about three connections. */
export const OUTSIDE_CONNECTIONS_MAX = 8_192;
const HANDSHAKE_MS_MAX = 10_000;
/** An operator's request takes less, but for a dry run, which changes nothing. */
const DRAIN_MS_MAX = 5_000;

export type GatewayOptions = {
  api: Fetch;
  agents: Fetch;
  /** The dashboard with its sign-in; default: it is not served, and neither is the page of the API. */
  dashboard?: Fetch;
  /** Answers what comes for the hosts' queues; default: they are not served. */
  queues?: RequestListener | undefined;
  port: number;
  /** Default: loopback. */
  address?: string;
  /** Default: HTTP. */
  tls?: TlsFiles | undefined;
  connectionsMax?: number;
  /** Default: those of every local server. */
  limits?: typeof serverLimits;
};

/**
 * Routes as the cloud does: agents' requests to one function, the API's to the other. What else is read
 * is the page of the API, or a file of the dashboard.
 * Broken connections are answered and closed by Node itself, within the bound of `limits`.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { queues, address = "127.0.0.1", tls, limits = serverLimits } = options;
  const working = new Set<Promise<unknown>>();
  const answer = router(options);
  const listener = getRequestListener((request, env) => {
    const work = Promise.resolve(answer(request, env)).finally(() => working.delete(work));
    working.add(work);
    return work;
  });
  const receive: RequestListener = (request, response) => {
    const isForQueues = queues !== undefined && QUEUES_PATHS.has(pathOf(request.url));
    return (isForQueues ? queues : listener)(request, response);
  };
  const server =
    tls === undefined
      ? createServer(limits, receive)
      : createTlsServer({ ...limits, ...tls, handshakeTimeout: HANDSHAKE_MS_MAX }, receive);
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  server.listen(options.port, address);
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
  const name = address.includes(":") ? `[${address}]` : address;
  return {
    url: `${tls === undefined ? "http" : "https"}://${name}:${bound.port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      await atMost(DRAIN_MS_MAX, Promise.allSettled(working));
      server.closeAllConnections();
      await closed;
    },
  };
}

function router({ api, agents, dashboard }: GatewayOptions): Fetch["fetch"] {
  const apiPage = createApiPage();
  return (request, env) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/agent/")) return agents.fetch(request, env);
    if (dashboard === undefined) return api.fetch(request);
    if (isForApiPage(request)) return apiPage.fetch(request);
    return (isForApi(request) ? api : dashboard).fetch(request);
  };
}

function pathOf(url = "/"): string {
  return url.split("?", 1)[0] ?? "/";
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ms);
  await Promise.race([work, once(late.signal, "abort")]);
  clearTimeout(timer);
}
