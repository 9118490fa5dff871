import { readdirSync, readlinkSync } from "node:fs";

/** Inodes of sockets. */
export type Sockets = ReadonlySet<string>;

/** The sockets that a process has open (proc_pid_fd(5)); undefined where they cannot be read. */
export function openSockets(pid: number): Sockets | undefined {
  try {
    const open = readdirSync(`/proc/${pid}/fd`).map((name) => socketOf(pid, name));
    return new Set(open.filter((inode) => inode !== undefined));
  } catch {
    return undefined;
  }
}

function socketOf(pid: number, descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
  } catch {
    return undefined; // Closed meanwhile.
  }
}
