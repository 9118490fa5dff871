import { linkSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { identify, isAlive } from "../runtime/process.ts";
import { replaceFile } from "./replace-file.ts";

const Holder = z.object({
  pid: z.int().positive(),
  startTicks: z.string(),
  bootId: z.string().optional(),
});
type Holder = z.infer<typeof Holder>;

/** Each further attempt means that another process took or released the lock in between. */
const ATTEMPTS_MAX = 100;

/**
 * Takes the state directory for this process: two agents with one journal would run commands twice.
 * The lock of a process that has ended does not count; pid, start time and boot name the process.
 *
 * @returns a function that releases the lock
 * @throws Error naming the process that holds it
 */
export function lockStateDir(stateDir: string): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, "agent.lock");
  const mine = identify(process.pid);
  const own = `${path}.own.${process.pid}`;
  replaceFile(own, JSON.stringify(mine));
  try {
    take(path, own, stateDir);
  } finally {
    rmSync(own, { force: true });
  }
  return () => {
    if (isSame(readHolder(path), mine)) rmSync(path, { force: true });
  };
}

/**
 * link(2) creates the lock only if there is none, with its content already in it. A stale lock is
 * replaced under a lock of its own, named after the ended holder: so only one process replaces it, and
 * only while it is still the stale one.
 */
function take(path: string, own: string, stateDir: string): void {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    if (tryLink(own, path)) return;
    const holder = readHolder(path);
    if (holder === undefined) continue;
    if (holder !== "unreadable" && isAlive(holder)) {
      throw new Error(
        `Another agent, process ${holder.pid}, uses ${stateDir}: stop it, or give this agent a state directory of its own`,
      );
    }
    if (replaceStale(path, own, holder, stateDir)) return;
  }
  throw new Error(`Failed to lock ${stateDir}: other agents start and stop in it all the time`);
}

/** False when the lock is no longer the one of `stale`. */
function replaceStale(
  path: string,
  own: string,
  stale: Holder | "unreadable",
  stateDir: string,
): boolean {
  const name = stale === "unreadable" ? stale : `${stale.pid}-${stale.startTicks}`;
  const guard = `${path}.${name}`;
  take(guard, own, stateDir);
  try {
    if (!isSame(readHolder(path), stale)) return false;
    // A second link, since `own` may be needed again.
    const link = `${own}.link`;
    rmSync(link, { force: true });
    linkSync(own, link);
    renameSync(link, path);
    return true;
  } finally {
    rmSync(guard, { force: true });
  }
}

function tryLink(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined: there is no lock. */
function readHolder(path: string): Holder | "unreadable" | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return Holder.parse(JSON.parse(text));
  } catch {
    return "unreadable";
  }
}

function isSame(a: Holder | "unreadable" | undefined, b: Holder | "unreadable"): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
