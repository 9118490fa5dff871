import { createServer, type Server } from "node:net";
import type * as z from "zod";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { AgentConfig } from "../../runtime/config.ts";

/** The stream's and the handover link's. */
const PORTS_PER_MIGRATION = 2;
/** And that of the exports of disks that are copied. */
export const PORTS_WITH_COPIES = 3;
const REASON_CHARACTERS_MAX = 500;

/** TCP ports, both ends included; both 0: any free port. */
export type PortRange = z.infer<typeof AgentConfig>["migrationPorts"];

/**
 * Where QEMU is to listen. It takes the first free port of the range by itself (QEMU
 * util/qemu-sockets.c, inet_listen_saddr), so that no other process can take a port in between: a
 * `migrate-incoming` that has failed cannot be repeated in the same process.
 */
export function incomingUri({ min, max }: PortRange, address: string): string {
  const to = max > min ? `,to=${max}` : "";
  return `tcp:${hostPart(address)}:${min}${to}`;
}

/** The host as it stands in a URI. */
export function hostPart(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/**
 * Runs `listen` with each port of the range until one is free.
 *
 * @throws CommandRefusedError `refused` when no port of the range is free; what `listen` throws
 */
export async function listenInRange<T>(
  { min, max }: PortRange,
  address: string,
  listen: (port: number) => Promise<T>,
): Promise<T> {
  for (let port = min; port <= max; port += 1) {
    try {
      return await listen(port);
    } catch (error) {
      if (!isInUse(error)) throw error;
    }
  }
  throw new CommandRefusedError(
    "refused",
    `Expected a free port of ${min} to ${max} on ${address}, got none: wait until a migration of this host has ended, or widen \`migrationPorts\` in the agent's configuration`,
  );
}

/**
 * Free ports of the range, at least as many as a migration needs of them at once.
 *
 * @throws CommandRefusedError when there are fewer; the system's error, such as EADDRNOTAVAIL
 */
export async function freePorts(
  range: PortRange,
  address: string,
  count: number,
): Promise<number[]> {
  const servers: Server[] = [];
  try {
    while (servers.length < count) {
      servers.push(await listenInRange(range, address, (port) => listenOn(port, address)));
    }
    return servers.map(portOf);
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Why a migration's ports cannot be listened on; undefined: they can. */
export async function whyNotListening(
  range: PortRange,
  address: string,
  count = PORTS_PER_MIGRATION,
): Promise<string | undefined> {
  try {
    await freePorts(range, address, count);
    return undefined;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, REASON_CHARACTERS_MAX);
  }
}

async function listenOn(port: number, address: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  return server;
}

function portOf(server: Server): number {
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
  return bound.port;
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
