import { tcpSocketsAt } from "../../runtime/tcp-table.ts";

/**
 * Addresses of the processes that are connected to a TCP port of this host.
 *
 * @param address where the port's process listens
 */
export async function connectedPeers(address: string, port: number): Promise<string[]> {
  return (await tcpSocketsAt(address))
    .filter(({ localPort }) => localPort === port)
    .filter(({ state }) => state === "established" || state === "closed-by-peer")
    .map(({ remoteAddress }) => remoteAddress);
}

/** An address as Node writes it; an IPv4 address that was mapped to IPv6 becomes IPv4 again. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
}
