import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * The environment of a machine on which everything is found but QEMU: its PATH is one folder with
 * links to the executables of the real PATH. The folder is kept: it may be used by several runs.
 */
export function environmentWithoutQemu(folder: string): { PATH: string; SWITCHYARD_QEMU: string } {
  mkdirSync(folder, { recursive: true });
  for (const from of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of namesIn(from).filter((each) => !each.startsWith("qemu-"))) {
      linkOnce(join(from, name), join(folder, name));
    }
  }
  return { PATH: folder, SWITCHYARD_QEMU: "" };
}

/** PATH may name folders that do not exist. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The first of a name wins, as on PATH. */
function linkOnce(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
