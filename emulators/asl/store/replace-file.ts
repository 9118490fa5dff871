import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { syncFolder } from "../../aws/disk/sync-folder.ts";

const SUFFIX = ".tmp";

/**
 * Writes a file so that a reader finds its old content or all of its new content, never a part, at
 * whatever instant this process is killed.
 *
 * @param options.flush also wait for the disk, so that a power failure cannot undo it; `content`:
 *   for the content only, so that after a power failure the file is the old or the new one
 */
export function replaceFile(
  path: string,
  content: string,
  options: { flush: boolean | "content" },
): void {
  const temporary = `${path}${SUFFIX}`;
  try {
    write(temporary, content, options);
    renameSync(temporary, path);
    if (options.flush === true) syncFolder(dirname(path));
  } catch (error) {
    // A full disk gets its space back.
    rmSync(temporary, { force: true });
    throw error;
  }
}

function write(path: string, content: string, options: { flush: boolean | "content" }): void {
  const file = openSync(path, "w", 0o600);
  try {
    const bytes = Buffer.from(content);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset);
    if (options.flush !== false) fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Removes the temporary files of a process that was killed inside `replaceFile`. */
export function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith(SUFFIX)) rmSync(join(folder, name), { force: true });
  }
}
