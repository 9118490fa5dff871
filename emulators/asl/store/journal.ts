import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import type { ExecutionHeader, ExecutionRecord } from "../execution-record.ts";
import type { Frame } from "../frame.ts";
import type { HistoryEvent } from "../history.ts";
import type { Change } from "../ledger.ts";
import { replaceFile } from "./replace-file.ts";

// One file per execution, one JSON value per line:
//   1. the header    2. frames and events    3. … one change per line
// Lines 1 and 2 are written at once, by rename. A line counts once its newline is there; a process
// killed while it wrote leaves at most a last line without one, which is cut off when it is read.

type Body = {
  readonly frames: readonly Frame[];
  readonly events: readonly HistoryEvent[];
};

/**
 * Writes the execution as a snapshot that replaces all its lines. Returns the size in bytes.
 *
 * @param options.flush wait for the disk, so that a power failure leaves the old or the new one
 */
export function writeSnapshot(
  path: string,
  record: ExecutionRecord,
  options: { flush: boolean },
): number {
  const body: Body = { frames: [...record.frames.values()], events: record.events };
  const text = `${JSON.stringify(record.header)}\n${JSON.stringify(body)}\n`;
  replaceFile(path, text, { flush: options.flush ? "content" : false });
  return Buffer.byteLength(text);
}

/**
 * Appends one change. Returns its size in bytes.
 *
 * @param sizeBytes size of the file without it; a half-written line is cut back to it
 */
export function appendLine(path: string, change: Change, sizeBytes: number): number {
  const line = `${JSON.stringify(change)}\n`;
  try {
    appendFileSync(path, line, { mode: 0o600 });
  } catch (error) {
    cutBack(path, sizeBytes);
    throw error;
  }
  return Buffer.byteLength(line);
}

function cutBack(path: string, sizeBytes: number): void {
  try {
    truncateSync(path, sizeBytes);
  } catch {
    // The error of the write says more.
  }
}

/** The header alone. It is current once the execution has ended, and has status RUNNING before. */
export function readHeader(path: string): ExecutionHeader {
  return JSON.parse(readFirstLine(path)) as ExecutionHeader;
}

/**
 * Reads the execution and cuts off a last line that was not written to its end.
 *
 * @throws SyntaxError if a line before the last is damaged
 */
export function readJournal(path: string): { record: ExecutionRecord; sizeBytes: number } {
  const bytes = readFileSync(path);
  const parsed = parseJournal(path, bytes);
  if (parsed.sizeBytes < bytes.length) truncateSync(path, parsed.sizeBytes);
  return parsed;
}

/**
 * Reads the execution, and changes nothing.
 *
 * @throws SyntaxError if a line before the last is damaged
 */
export function parseJournal(path: string, bytes: Buffer) {
  const sizeBytes = bytes.lastIndexOf(NEWLINE) + 1;
  const lines = bytes.toString("utf8", 0, sizeBytes).split("\n").slice(0, -1);
  const [header, body, ...changes] = lines.map((line): unknown => JSON.parse(line));
  if (!header || !body) throw new SyntaxError(`No execution in ${path}`);
  const { frames, events } = body as Body;
  const record: ExecutionRecord = {
    header: header as ExecutionHeader,
    frames: new Map(frames.map((frame) => [frame.id, frame])),
    events: [...events],
  };
  for (const change of changes) apply(record, change as Change);
  return { record, sizeBytes };
}

export function removeJournal(path: string): void {
  rmSync(path, { force: true });
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 64 * 1024;

function apply(record: ExecutionRecord, change: Change): void {
  Object.assign(record.header, change.header);
  record.events.push(...(change.events ?? []));
  for (const [key, fields] of Object.entries(change.frames ?? {})) {
    const id = Number(key);
    if (fields === null) record.frames.delete(id);
    else record.frames.set(id, { ...record.frames.get(id), ...fields } as Frame);
  }
}

function readFirstLine(path: string): string {
  const file = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    const limit = statSync(path).size;
    for (let offset = 0; offset < limit; offset += CHUNK_BYTES) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, limit - offset));
      readSync(file, chunk, 0, chunk.length, offset);
      const end = chunk.indexOf(NEWLINE);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      if (end >= 0) break;
    }
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    closeSync(file);
  }
}
