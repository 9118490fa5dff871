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
  const link = `socket:[${inode}]`;
  const owner = readdirSync("/proc").find(
    (name) =>
      /^\d+$/.test(name) &&
      descriptorsOf(name).some((descriptor) => linkOf(`/proc/${name}/fd/${descriptor}`) === link),
  );
  return owner === undefined ? undefined : Number(owner);
}

/** None of a process that has ended, or is another user's. */
function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

/** Undefined for a descriptor that was closed since it was listed: the others are still there. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
