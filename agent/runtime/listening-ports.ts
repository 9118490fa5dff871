import { ownTcpSockets } from "./tcp-table.ts";

/** The TCP ports that a process listens on; none without a process. */
export function listeningPorts(pid: number | undefined): number[] {
  return ownTcpSockets(pid)
    .filter(({ state }) => state === "listening")
    .map(({ localPort }) => localPort);
}
