import { readdirSync } from "node:fs";
import { CommandRefusedError } from "../command/command-error.ts";
import { openInodes } from "../runtime/open-sockets.ts";
import { unixSockets } from "../runtime/unix-sockets.ts";

/**
 * The process that listens on a UNIX socket.
 *
 * @throws CommandRefusedError when there is none, or more than one
 */
export function listenerPid(path: string): number {
  const found = unixSockets("self").filter((one) => one.isListening && one.path === path);
  if (found.length > 1)
    throw new CommandRefusedError(
      "refused",
      `Expected one process to listen on ${path}, found ${found.length}: the socket was replaced; name the one of the QEMU to adopt`,
    );
  const [socket] = found;
  const pid = socket && findOwner(socket.inode);
  if (pid === undefined)
    throw new CommandRefusedError(
      "not-found",
      `No process that this agent may see listens on ${path}: start QEMU on this host, as the user of the agent`,
    );
  return pid;
}

function findOwner(inode: string): number | undefined {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => openInodes(pid)?.has(inode));
}
