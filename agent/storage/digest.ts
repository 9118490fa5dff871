import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/** Larger files are not read: it would take too long, and too much of the storage. */
export const DIGEST_BYTES_MAX = 512 * 2 ** 20;
const READ_BYTES = 2 ** 20;

/** @throws Error when the file is too large, cannot be read, or `signal` aborts */
export async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const { size } = await stat(path);
  if (size > DIGEST_BYTES_MAX) {
    const mib = DIGEST_BYTES_MAX / 2 ** 20;
    throw new Error(`a read-only file of more than ${mib} MiB is not compared by its content`);
  }
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES, signal })) {
    hash.update(chunk as Buffer);
  }
  return `sha256 ${hash.digest("hex")} of ${size} bytes`;
}
