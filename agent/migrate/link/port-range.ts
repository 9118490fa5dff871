import { createServer } from "node:net";
import { CommandRefusedError } from "../../command/command-error.ts";

/** TCP ports, both ends included. */
export type PortRange = { readonly min: number; readonly max: number };

const IN_USE = /EADDRINUSE|Address already in use/;

/**
 * Runs `listen` with the first port of the range that can be bound on `address`, and with the next
 * one when it fails because another process has taken the port in between.
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
      await tryPort(address, port);
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

/** @throws the system's error, such as EADDRINUSE or EADDRNOTAVAIL */
async function tryPort(address: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && IN_USE.test(error.message);
}
