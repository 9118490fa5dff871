import { readdirSync, readFileSync } from "node:fs";

const PASSES_MAX = 50;
/** Not `/` or a folder in it: nearly every process has an argument below these. */
const FOLDER_IN_FOLDER = /^\/[^/]+\/[^/]/;

/** Processes whose arguments name a file or folder in this folder. */
export function processesUnder(folder: string): number[] {
  if (!FOLDER_IN_FOLDER.test(folder)) throw new Error(`Expected a folder's path, got "${folder}"`);
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
 * Kills all of them, except this process. For a folder created for them alone, so that every
 * process that names it belongs to the same installation.
 */
export function killProcessesUnder(folder: string): void {
  // A process may have started another one just before it was killed.
  for (let pass = 0; pass < PASSES_MAX; pass += 1) {
    const pids = processesUnder(folder).filter((pid) => pid !== process.pid);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has exited by itself.
      }
    }
  }
}
