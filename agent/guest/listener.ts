import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The process that listens on a UNIX socket, found through /proc (proc_net_unix(5)). */
export function listenerPid(path: string): number {
  const rows = readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    // Flags 00010000: the listening socket (SO_ACCEPTCON).
    .filter((fields) => fields[7] === path && fields[3] === "00010000");
  if (rows.length > 1) throw new Error(`More than one process listens on ${path}`);
  const inode = rows[0]?.[6];
  const pid = inode === undefined ? undefined : findSocketOwner(inode);
  if (pid === undefined) throw new Error(`No process of this host listens on ${path}`);
  return pid;
}

function findSocketOwner(inode: string): number | undefined {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      for (const descriptor of readdirSync(`/proc/${name}/fd`)) {
        if (readlinkSync(`/proc/${name}/fd/${descriptor}`) === `socket:[${inode}]`) {
          return Number(name);
        }
      }
    } catch {
      // The process ended meanwhile, or is another user's.
    }
  }
  return undefined;
}
