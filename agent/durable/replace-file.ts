import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

const { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } = constants;

export type ReplaceOptions = {
  /**
   * Also wait until the file and its folder entry are on the disk. Default false: a rename survives
   * the death of the agent; a crash of the host ends its guests as well, and fsync(2) would take its
   * time from the downtime. True for what must survive a power failure.
   */
  flush?: boolean;
  /** Who may read and write the file, whatever the umask. Default: its owner. */
  mode?: number;
};

/**
 * Replaces a file so that a reader finds its old content or all of its new one. The file is readable
 * by its owner only, unless `mode` says otherwise.
 *
 * @throws the file system's error: then the old file is unchanged
 */
export function replaceFile(path: string, content: string, options: ReplaceOptions = {}): void {
  closeSync(replaceAndOpen(path, content, options));
}

/**
 * As {@link replaceFile}.
 *
 * @returns a descriptor that appends to the new file
 * @throws the file system's error: then the old file is unchanged
 */
export function replaceAndOpen(
  path: string,
  content: string,
  { flush = false, mode }: ReplaceOptions = {},
): number {
  const next = `${path}.new`;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(next, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600);
    if (mode !== undefined) fchmodSync(descriptor, mode);
    writeAll(descriptor, Buffer.from(content));
    if (flush) fsyncSync(descriptor);
    renameSync(next, path);
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    rmSync(next, { recursive: true, force: true });
    throw error;
  }
  if (flush) flushFolder(dirname(path));
  return descriptor;
}

/** A full disk may take a part of it; the rest then meets the error. */
export function writeAll(descriptor: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(descriptor, bytes, written);
  }
}

/** Waits until the folder's entries are on the disk. */
export function flushFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
