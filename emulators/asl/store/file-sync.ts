import { type FileHandle, open } from "node:fs/promises";
import { GroupSync } from "../../aws/disk/group-sync.ts";

/** Has files on the disk that were written, several in one go. */
export class FileSync {
  readonly #written = new Set<string>();
  readonly #group = new GroupSync(async () => {
    const paths = [...this.#written];
    this.#written.clear();
    await Promise.all(paths.map(syncFile));
  });

  /** @param path of a file that was written to, or of a folder that has other names now */
  mark(path: string): void {
    this.#written.add(path);
    this.#group.mark();
  }

  /** Resolves once what was marked before is on the disk. */
  settled(): Promise<void> {
    return this.#group.settled();
  }
}

/** One that was removed meanwhile needs no sync. */
async function syncFile(path: string): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
