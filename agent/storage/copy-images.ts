import { execFile } from "node:child_process";
import { rmSync, type Stats, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { CopiedDisk } from "../../core/storage-copy/copied-disk.ts";
import { CommandRefusedError } from "../command/command-error.ts";

/** Metadata only: nothing is allocated. */
const MAKE_MS = 30_000;
/** File systems stamp files by the kernel's tick, which is up to this late (CONFIG_HZ=100). */
const TICK_MS = 10;

/** An image to be made for a disk that is copied. */
export type WantedImage = Pick<CopiedDisk, "disk" | "format" | "sizeBytes" | "clusterBytes"> & {
  readonly path: string;
};

/** As the manifest has it. */
export type MadeImage = {
  disk: string;
  path: string;
  identity?: string | undefined;
  notedAtMs: number;
};

/**
 * Makes the images, each as a new file. `note` is called before a file appears, and after it: what it
 * was called with last tells which files {@link removeImages} has to remove.
 *
 * @throws CommandRefusedError `refused`, naming disk, cause and cure
 */
export async function makeImages(
  wanted: readonly WantedImage[],
  note: (images: MadeImage[]) => void,
): Promise<void> {
  const made: MadeImage[] = [];
  for (const image of wanted) {
    const { disk, path } = image;
    const entry: MadeImage = { disk, path, notedAtMs: Date.now() };
    note([...made, entry]);
    try {
      const identity = await claim(image);
      made.push({ ...entry, identity });
      note([...made]);
      if (image.format === "qcow2") await format(image);
    } catch (cause) {
      if (isTaken(cause)) note([...made]);
      throw refusal(image, cause);
    }
  }
}

/** A new file of the whole size, without content. */
async function claim({ path, format, sizeBytes }: WantedImage): Promise<string> {
  const file = await open(path, "wx", 0o600);
  try {
    if (format === "raw") await file.truncate(sizeBytes);
    return identityOf(await file.stat());
  } finally {
    await file.close();
  }
}

async function format({ path, sizeBytes, clusterBytes }: WantedImage): Promise<void> {
  const options = clusterBytes === undefined ? [] : ["-o", `cluster_size=${clusterBytes}`];
  const args = ["create", "-q", "-f", "qcow2", ...options, path, String(sizeBytes)];
  await promisify(execFile)("qemu-img", args, { timeout: MAKE_MS });
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}

function refusal({ disk, path }: WantedImage, cause: unknown): CommandRefusedError {
  const said = cause instanceof Error ? cause.message.trim() : String(cause);
  const cure = isTaken(cause)
    ? "see whether it is needed, and move it away"
    : `see that ${dirname(path)} exists, has room, and takes files of the agent`;
  const message = `Disk ${disk}: the image ${path} cannot be made: ${said}: ${cure}`;
  return new CommandRefusedError("refused", message, { cause });
}

/**
 * Removes images that were made for a guest which has never run with them. A file that took the place
 * of one stays. May be called again.
 */
export function removeImages(images: readonly MadeImage[] = []): void {
  for (const image of images) {
    const stat = statSync(image.path, { throwIfNoEntry: false });
    if (stat !== undefined && isOurs(image, stat)) rmSync(image.path, { force: true });
  }
}

/** Removes files that a guest has left for good, unless others have taken their places. */
export function removeLeft(files: readonly { path: string; identity: string }[]): void {
  for (const { path, identity } of files) {
    if (identityAt(path) === identity) rmSync(path, { force: true });
  }
}

/** The agent may have died between making a file and noting which one it is: then it is empty. */
function isOurs({ identity, notedAtMs }: MadeImage, stat: Stats): boolean {
  if (identity !== undefined) return identityOf(stat) === identity;
  const isNew = stat.birthtimeMs >= notedAtMs - TICK_MS;
  return stat.isFile() && stat.blocks === 0 && isNew;
}

/** The file that has this path now; undefined: there is no such regular file. */
export function identityAt(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() ? identityOf(stat) : undefined;
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev} ${ino}`;
}
