import { readdirSync, readFileSync } from "node:fs";

/** Processes whose arguments name a file or folder in this folder. */
export function processesUnder(folder: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(`${folder}/`)
        ? [Number(name)]
        : [];
    } catch {
      return [];
    }
  });
}

/**
 * Ends them all, at once. For a folder that was made for them alone: whatever names it was started
 * from it, known to anybody or not.
 */
export function killProcessesUnder(folder: string): void {
  // One that is killed may just have started another.
  for (let pass = 0; pass < PASSES_MAX; pass += 1) {
    const pids = processesUnder(folder).filter((pid) => pid !== process.pid);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
  }
}

const PASSES_MAX = 50;
