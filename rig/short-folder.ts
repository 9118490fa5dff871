import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDERS_MAX = 100;

/**
 * Makes a folder with a name of two or three letters: fleets make folders in it, and the path of a
 * socket in those has at most 107 bytes. Whoever makes it removes it.
 *
 * @param letter Begins the name.
 * @throws Error where 100 of them exist
 */
export function makeShortFolder(letter: string): string {
  for (let n = 0; n < FOLDERS_MAX; n += 1) {
    const folder = join(tmpdir(), `${letter}${n}`);
    // One of two that ask at once gets it.
    if (made(folder)) return folder;
  }
  const first = join(tmpdir(), `${letter}0`);
  throw new Error(`Remove the folders ${first} and so on: ${FOLDERS_MAX} of them exist`);
}

function made(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
