import { readdirSync, readlinkSync } from "node:fs";

/**
 * Inodes of the sockets that a process has open, by its descriptor (proc_pid_fd(5)).
 *
 * @throws Error for the process of another user, and for one that has ended
 */
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

/** Inodes of the sockets that a process has open; undefined where they cannot be read. */
export function openInodes(pid: number): ReadonlySet<string> | undefined {
  try {
    return new Set(openSockets(pid).values());
  } catch {
    return undefined;
  }
}
