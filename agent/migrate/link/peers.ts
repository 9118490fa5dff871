import { tcpSockets } from "../../runtime/tcp-table.ts";

/** Addresses of the processes that are connected to a TCP port of this host. */
export function connectedPeers(port: number): string[] {
  return tcpSockets()
    .filter(({ localPort }) => localPort === port)
    .filter(({ state }) => state === "established" || state === "closed-by-peer")
    .map(({ remoteAddress }) => remoteAddress);
}

/** An address as Node writes it; an IPv4 address that was mapped to IPv6 becomes IPv4 again. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
}
