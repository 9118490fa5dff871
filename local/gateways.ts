import type { RequestListener } from "node:http";
import { createDashboard, SignInCode } from "./dashboard.ts";
import { type Gateway, OUTSIDE_CONNECTIONS_MAX, startGateway } from "./gateway.ts";
import { limitPolls } from "./limit-polls.ts";
import type { TlsFiles } from "./tls-files.ts";

/** Where other machines reach the control plane. */
export type Listen = {
  readonly address: string;
  readonly port: number;
  /** As operators and agents have it; default: the address and the port. */
  readonly publicUrl?: string | undefined;
  /** Default: HTTP. */
  readonly tls?: TlsFiles | undefined;
};

export type Gateways = {
  apiUrl: string;
  publicUrl: string | undefined;
  /** The dashboard, with a code that signs the first one in who opens it. */
  dashboardUrl: string;
  close(): Promise<void>;
};

/** The API on loopback, with its dashboard; for other machines the API and the hosts' queues. */
export async function startGateways(options: {
  port: number;
  operatorToken: string;
  listen: Listen | undefined;
  /** Undefined where somebody else serves the queues. */
  queues: RequestListener | undefined;
}): Promise<Gateways> {
  const { app: api } = await import("../functions/api/app.ts");
  const { app: agents } = await import("../functions/agent-events/index.ts");
  const { port, operatorToken, listen, queues } = options;
  const code = new SignInCode();
  const dashboard = createDashboard({ token: operatorToken, code });
  const inside = await startGateway({ api, agents, dashboard, port });
  try {
    const outside =
      listen && (await startOutside({ api, agents, queues: queues && limitPolls(queues) }, listen));
    return {
      apiUrl: inside.url,
      publicUrl: outside && (listen?.publicUrl ?? outside.url),
      dashboardUrl: `${inside.url}/#code=${code.value}`,
      close: async () => {
        await Promise.all([outside?.close(), inside.close()]);
      },
    };
  } catch (error) {
    await inside.close();
    throw error;
  }
}

function startOutside(
  served: Pick<Parameters<typeof startGateway>[0], "api" | "agents"> & {
    queues: RequestListener | undefined;
  },
  { address, port, tls }: Listen,
): Promise<Gateway> {
  const connectionsMax = OUTSIDE_CONNECTIONS_MAX;
  return startGateway({ ...served, address, port, tls, connectionsMax });
}
