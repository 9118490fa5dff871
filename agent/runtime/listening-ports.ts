import { ownTcpSockets } from "./tcp-table.ts";

/**
 * The TCP ports that a process listens on; none without a process.
 *
 * @param but inodes of sockets that do not count
 */
export function listeningPorts(pid: number | undefined, but?: ReadonlySet<string>): number[] {
  return ownTcpSockets(pid)
    .filter(({ state, inode }) => state === "listening" && but?.has(inode) !== true)
    .map(({ localPort }) => localPort);
}
