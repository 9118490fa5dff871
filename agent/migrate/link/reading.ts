import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import * as z from "zod";
import { Reading } from "../../../core/twin/reading.ts";

/**
 * `machine`: the whole reading for the twin check; `features`: the names of the first vCPU's features,
 * which takes hundreds of calls and is only asked for when they differ.
 */
export const ReadKind = z.enum(["machine", "features"]);
export type ReadKind = z.infer<typeof ReadKind>;

/**
 * Longest packed reading, bytes. A machine of twelve devices takes 8 KiB, one of 256 devices and 1,024
 * vCPUs some 100 KiB.
 */
export const PACKED_BYTES_MAX = 1 << 20;
const READING_BYTES_MAX = 32 << 20;

/** @throws Error when the reading is larger than the link takes */
export async function packReading(reading: Reading): Promise<string> {
  const packed = await promisify(gzip)(JSON.stringify(reading), { level: 1 });
  const text = packed.toString("base64");
  if (text.length <= PACKED_BYTES_MAX) return text;
  throw new Error(`Expected a reading of at most ${PACKED_BYTES_MAX} bytes, got ${text.length}`);
}

/** @throws Error when it is no reading */
export async function unpackReading(packed: string): Promise<Reading> {
  const bytes = Buffer.from(packed, "base64");
  const text = await promisify(gunzip)(bytes, { maxOutputLength: READING_BYTES_MAX });
  return Reading.parse(JSON.parse(text.toString("utf8")));
}
