import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { CommandRefusedError } from "../command/command-error.ts";

/**
 * The process that listens on a UNIX socket, from /proc (proc_net_unix(5)).
 *
 * @throws CommandRefusedError when there is none, or more than one
 */
export function listenerPid(path: string): number {
  const rows = readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    // Flags 00010000: the listening socket (SO_ACCEPTCON).
    .filter((fields) => fields[7] === path && fields[3] === "00010000");
  if (rows.length > 1)
    throw new CommandRefusedError(
      "refused",
      `Expected one process to listen on ${path}, found ${rows.length}: the socket was replaced; name the one of the QEMU to adopt`,
    );
  const inode = rows[0]?.[6];
  const pid = inode === undefined ? undefined : findSocketOwner(inode);
  if (pid === undefined)
    throw new CommandRefusedError(
      "not-found",
      `No process that this agent may see listens on ${path}: start QEMU on this host, as the user of the agent`,
    );
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
      // The process has ended, or is another user's.
    }
  }
  return undefined;
}
