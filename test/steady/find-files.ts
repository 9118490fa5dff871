import { globSync } from "node:fs";
import { basename } from "node:path";
import { kindsElsewhere } from "../kinds-elsewhere.ts";
import { importsOf, ownImportsOf, ROOT, read } from "../tidy/sources.ts";

/** Modules of Node by which a test depends on other processes, sockets or the time. */
const TIMED = /^node:(child_process|cluster|dgram|http|https|net|timers|timers\/promises|tls)$/;
/** Their global counterparts, and waits for what the clock or another process brings. */
const TIMER_CALL =
  /\b(setTimeout|setInterval|setImmediate|fetch|AbortSignal\.timeout|vi\.waitFor)\(/;
const ELSEWHERE = new RegExp(`\\.(${kindsElsewhere.join("|")})\\.test\\.ts$`);

/**
 * The test files that use real processes, sockets or timers. The rule: the file, or anything of the
 * project's that it imports, directly or not, imports a module of `TIMED` or calls a timer. Real
 * QEMU and everything in rig/ is found that way, since both start processes.
 */
export function findTimedFiles(filters: readonly string[]): string[] {
  return globSync("**/*.test.ts", { cwd: ROOT, exclude: isForeign })
    .filter((file) => !ELSEWHERE.test(file))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .filter((file) => isTimed(file, new Set()))
    .sort();
}

function isTimed(file: string, seen: Set<string>): boolean {
  if (seen.has(file) || !file.endsWith(".ts")) return false;
  seen.add(file);
  return usesTime(file) || ownImportsOf(file).some((imported) => isTimed(imported, seen));
}

function usesTime(file: string): boolean {
  return importsOf(file).some(({ from }) => TIMED.test(from)) || TIMER_CALL.test(read(file));
}

function isForeign(path: string): boolean {
  return basename(path) === "node_modules" || basename(path).startsWith(".");
}
