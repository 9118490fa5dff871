import { spawnSync } from "node:child_process";

const isRoot = process.getuid?.() === 0;
const UNSHARE = isRoot ? ["unshare", "--mount"] : ["unshare", "--mount", "--map-root-user"];
const ENTER = isRoot ? ["--mount"] : ["--mount", "--user", "--preserve-credentials"];

/**
 * A command that runs another one with mounts of its own, as a host has them (unshare(1)); undefined
 * where this user may not do that.
 */
export function withOwnMounts(): readonly string[] | undefined {
  const [command = "", ...args] = UNSHARE;
  const { status } = spawnSync(command, [...args, "mount", "--bind", "/tmp", "/tmp"]);
  return status === 0 ? UNSHARE : undefined;
}

/** Lets the processes that share the mounts of this one see `from` at the path `to`. */
export function bindIn(pid: number, from: string, to: string): void {
  run(pid, ["mount", "--bind", from, to]);
}

/** Undoes it at once: a process that was killed may hold the file for a moment longer. */
export function unbindIn(pid: number, path: string): void {
  run(pid, ["umount", "--lazy", path]);
}

function run(pid: number, command: readonly string[]): void {
  const { status, stderr } = spawnSync(
    "nsenter",
    ["--target", String(pid), ...ENTER, "--", ...command],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`Failed to run ${command.join(" ")}: ${stderr}`);
}
