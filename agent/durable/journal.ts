import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * An append-only file of JSON lines that can be read back after a crash and made anew when it has
 * grown. A line is written with one write(2), so it survives the death of the agent; it is not
 * synced, since a crash of the host ends its guests as well. A torn line is dropped.
 */
export class JournalFile<Entry> {
  readonly #path: string;
  readonly #linesMax: number;
  readonly #live: () => Iterable<Entry>;
  #descriptor: number | undefined;
  #lines = 0;
  /** The file ends in the middle of a line, which must not swallow the next entry. */
  #torn = false;

  /** `live` yields the entries that are still needed: what is left when the file is made anew. */
  constructor(path: string, live: () => Iterable<Entry>, linesMax = 5_000) {
    this.#path = path;
    this.#live = live;
    this.#linesMax = linesMax;
  }

  /**
   * Reads all entries in order and opens the file for appending.
   *
   * @throws the file system's error when it cannot be read: nothing is known then, so nothing may
   *   be done.
   */
  open(): Entry[] {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const text = existsSync(this.#path) ? readFileSync(this.#path, "utf8") : "";
    const entries = parse<Entry>(text);
    this.#descriptor = openSync(this.#path, "a", 0o600);
    this.#lines = entries.length;
    this.#torn = text !== "" && !text.endsWith("\n");
    return entries;
  }

  /**
   * @throws the file system's error (such as ENOSPC): then nothing may be done that needs the entry.
   */
  append(entry: Entry): void {
    if (this.#descriptor === undefined) throw new Error("Expected the journal to be open");
    // Before the entry is written: what is live does not hold it yet.
    if (this.#lines >= this.#linesMax) this.#compact();
    const line = Buffer.from(`${this.#torn ? "\n" : ""}${JSON.stringify(entry)}\n`);
    this.#torn = true;
    // A full disk may take a part of it; the rest then meets the error.
    for (let written = 0; written < line.length; ) {
      written += writeSync(this.#descriptor, line, written);
    }
    this.#torn = false;
    this.#lines += 1;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #compact(): void {
    const lines = [...this.#live()].map((entry) => `${JSON.stringify(entry)}\n`);
    // What is live may be close to the limit: then the next attempt is that much later.
    this.#lines = Math.min(lines.length, this.#linesMax / 2);
    const next = `${this.#path}.new`;
    let descriptor: number | undefined;
    try {
      writeFileSync(next, lines.join(""), { mode: 0o600 });
      descriptor = openSync(next, "a");
      renameSync(next, this.#path);
    } catch {
      // Such as a full disk: the old file stays good.
      if (descriptor !== undefined) closeSync(descriptor);
      rmSync(next, { recursive: true, force: true });
      return;
    }
    this.close();
    this.#descriptor = descriptor;
    this.#torn = false;
  }
}

function parse<Entry>(text: string): Entry[] {
  return text.split("\n").flatMap((line) => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as Entry];
    } catch {
      return [];
    }
  });
}
