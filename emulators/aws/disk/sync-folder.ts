import { closeSync, fsyncSync, openSync } from "node:fs";

/** Waits until the names in a folder are on the disk: a new file is lost with its name. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
