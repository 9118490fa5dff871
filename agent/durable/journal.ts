import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Log } from "../runtime/log.ts";
import { replaceAndOpen, writeAll } from "./replace-file.ts";

/**
 * An append-only file of JSON lines, which is read back after a crash and rewritten with the entries
 * still needed when it has grown. A line is written with one write(2), so it survives the death of the
 * agent; it is not synced, since a crash of the host ends its guests as well. A torn line is dropped.
 */
export class JournalFile<Entry> {
  readonly #path: string;
  readonly #linesMax: number;
  readonly #live: () => Iterable<Entry>;
  #descriptor: number | undefined;
  #lines = 0;
  #skippedLines = 0;
  /** The file ends in the middle of a line; the next entry must start on a line of its own. */
  #torn = false;

  /** `live` yields the entries that are still needed: the content when the file is rewritten. */
  constructor(path: string, live: () => Iterable<Entry>, linesMax = 5_000) {
    this.#path = path;
    this.#live = live;
    this.#linesMax = linesMax;
  }

  /**
   * Reads all entries in order and opens the file for appending.
   *
   * @throws the file system's error when it cannot be read: then nothing is known, and the agent must
   *   not start
   */
  open(): Entry[] {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const text = existsSync(this.#path) ? readFileSync(this.#path, "utf8") : "";
    const lines = text.split("\n").filter((line) => line !== "");
    const entries = lines.flatMap((line) => parse<Entry>(line));
    this.#skippedLines = lines.length - entries.length;
    this.#descriptor = openSync(this.#path, "a", 0o600);
    this.#lines = entries.length;
    this.#torn = text !== "" && !text.endsWith("\n");
    return entries;
  }

  /** Lines that `open` could not read. */
  get skippedLines(): number {
    return this.#skippedLines;
  }

  /**
   * @throws the file system's error (such as ENOSPC): then nothing may be done that needs the entry
   */
  append(entry: Entry): void {
    if (this.#descriptor === undefined) throw new Error("Expected the journal to be open");
    // Before the entry is written: `live` does not yield it yet.
    if (this.#lines >= this.#linesMax) this.#compact();
    const line = Buffer.from(`${this.#torn ? "\n" : ""}${JSON.stringify(entry)}\n`);
    this.#torn = true;
    writeAll(this.#descriptor, line);
    this.#torn = false;
    this.#lines += 1;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #compact(): void {
    const lines = [...this.#live()].map((entry) => `${JSON.stringify(entry)}\n`);
    // The live entries may be near the limit: then the next rewrite is half the limit away.
    this.#lines = Math.min(lines.length, this.#linesMax / 2);
    let descriptor: number;
    try {
      descriptor = replaceAndOpen(this.#path, lines.join(""));
    } catch {
      return; // Such as a full disk: the old file is unchanged and still open.
    }
    this.close();
    this.#descriptor = descriptor;
    this.#torn = false;
  }
}

function parse<Entry>(line: string): Entry[] {
  try {
    return [JSON.parse(line) as Entry];
  } catch {
    return [];
  }
}

/** Logs that a journal had lines that could not be read. One is usual after a crash. */
export function warnOfSkipped(lines: number, name: string, log: Log): void {
  if (lines > 0) log.warn({ lines }, `${name} has lines that cannot be read: they are skipped`);
}
