import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Locks a folder for this process, so that two engines never write the same journals. The lock of a
 * process that has exited does not count: processes are told apart by id and start time.
 *
 * @returns a function that unlocks the folder
 * @throws Error if a live process holds the lock
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, "lock");
  const mine = identityOf(process.pid);
  const holder = read(path);
  if (holder !== undefined && isAlive(holder)) {
    throw new Error(`Failed to open ${folder}: process ${holder.split(" ")[0]} uses it`);
  }
  if (holder !== undefined) removeStale(path, holder);
  try {
    // Fails for all but one of several processes that get here at once.
    writeFileSync(path, mine, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    const message = `Failed to lock ${folder}: ${path} cannot be written. If no process uses the folder, remove it`;
    throw new Error(message, { cause });
  }
  return () => {
    if (read(path) === mine) rmSync(path, { force: true });
  };
}

/** Removes the lock that was read, but not a newer one that another process has written since. */
function removeStale(path: string, holder: string): void {
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  const taken = read(aside);
  if (taken !== holder) {
    renameSync(aside, path);
    throw new Error(`Failed to lock ${path}: another process was faster`);
  }
  rmSync(aside, { force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isAlive(identity: string): boolean {
  const pid = Number(identity.split(" ")[0]);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" && identityOf(pid) === identity;
  }
  return identityOf(pid) === identity;
}

/** Process id and, on Linux, its start time (field 22 of /proc/pid/stat, after the name's ")"). */
function identityOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  const startedAt = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return startedAt === undefined ? `${pid}` : `${pid} ${startedAt}`;
}
