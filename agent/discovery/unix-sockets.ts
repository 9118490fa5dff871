import { readFileSync } from "node:fs";

export type UnixSocket = {
  readonly inode: string;
  readonly path: string;
  readonly isListening: boolean;
  readonly isConnected: boolean;
};

/** Flags of /proc/net/unix (proc_net_unix(5)): SO_ACCEPTCON, a listening socket. */
const LISTENING = "00010000";
/** State SS_CONNECTED: an end of a connection; of a server's end the path is the listening socket's. */
const CONNECTED = "03";

/** The UNIX sockets with a path in the network namespace of a process. */
export function unixSockets(pid: number): UnixSocket[] {
  return readFileSync(`/proc/${pid}/net/unix`, "utf8")
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const match = /^\S+ \S+ \S+ (\S+) \S+ (\S+)\s+(\d+) (\/.*)$/.exec(line);
      if (match === null) return [];
      const [, flags, state, inode = "", path = ""] = match;
      return [{ inode, path, isListening: flags === LISTENING, isConnected: state === CONNECTED }];
    });
}
