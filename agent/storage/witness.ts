import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Witness } from "../../core/twin/storage.ts";

/** @throws Error when the folder takes no file from this agent */
export async function makeWitness(folder: string, name: Witness): Promise<void> {
  const file = await open(join(folder, name), "wx", 0o644);
  await file.close();
}

/** May be called again. */
export async function removeWitness(folder: string, name: Witness): Promise<void> {
  await rm(join(folder, name), { force: true });
}

/**
 * Whether the witness is there. Its name is new, so no cache of a network file system knows it, and the
 * server is asked.
 */
export async function hasWitness(folder: string, name: Witness): Promise<boolean> {
  return await stat(join(folder, name)).then(
    () => true,
    () => false,
  );
}

/** Inode, size and times. Opening a file makes a client of NFS ask the server for them. */
export async function attributesOf(path: string): Promise<string | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
    return `inode ${ino}, ${size} bytes, written ${mtimeNs}, changed ${ctimeNs}`;
  } finally {
    await file.close();
  }
}
