import { readFileSync } from "node:fs";
import { openSockets, type Sockets } from "./open-sockets.ts";

/** Linux, tcp_states.h, TCP_LISTEN. */
const LISTEN = "0A";

/**
 * The TCP ports that a process listens on (proc_pid_net(5)); none without a process. It takes some
 * milliseconds: the kernel goes through its whole table of connections.
 *
 * @param but sockets that do not count
 */
export function listeningPorts(pid: number | undefined, but?: Sockets): number[] {
  const own = pid === undefined ? undefined : openSockets(pid);
  if (own === undefined) return [];
  try {
    return ["tcp", "tcp6"].flatMap((table) =>
      readFileSync(`/proc/${pid}/net/${table}`, "utf8")
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , , state, , , , , , inode = ""]) => {
          return state === LISTEN && own.has(inode) && but?.has(inode) !== true;
        })
        .map(([, address]) => Number.parseInt(address?.split(":").at(-1) ?? "", 16)),
    );
  } catch {
    return [];
  }
}
