import { readdirSync, readFileSync, readlinkSync } from "node:fs";

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

/** Inodes of the sockets that a process has open, by its descriptor. @throws Error: another user's */
export function openSockets(pid: number): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1];
      if (inode !== undefined) found.set(Number(name), inode);
    } catch {
      // It was closed meanwhile.
    }
  }
  return found;
}
