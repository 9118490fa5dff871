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
/** Each read leaves out about one of 50,000 sockets where many are opened and closed. */
const READS = 3;

/**
 * The UNIX sockets with a path in the network namespace of a process. The kernel writes the table page
 * by page and finds its place again by counting (Linux net/unix/af_unix.c, unix_from_bucket): a socket is
 * left out when one before it is closed between two pages. So several reads are put together.
 *
 * @throws Error for a process that has ended
 */
export function unixSockets(pid: number | "self"): UnixSocket[] {
  const reads = Array.from({ length: READS }, () => readFileSync(`/proc/${pid}/net/unix`, "utf8"));
  return joinReads(reads);
}

/** The sockets of the last read, and those that listened in one before. */
export function joinReads(reads: readonly string[]): UnixSocket[] {
  const tables = reads.map(parseTable);
  const last = tables.at(-1) ?? [];
  const found = new Map(last.map((socket) => [socket.inode, socket]));
  for (const socket of tables.flat()) {
    if (socket.isListening && !found.has(socket.inode)) found.set(socket.inode, socket);
  }
  return [...found.values()];
}

function parseTable(text: string): UnixSocket[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const match = /^\S+ \S+ \S+ (\S+) \S+ (\S+)\s+(\d+) (\/.*)$/.exec(line);
      if (match === null) return [];
      const [, flags, state, inode = "", path = ""] = match;
      return [{ inode, path, isListening: flags === LISTENING, isConnected: state === CONNECTED }];
    });
}
