import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * An append-only file of JSON lines that can be read back after a crash and made anew when it has
 * grown. A line is written with one write(2), so it survives the death of the agent; it is not
 * synced, since a crash of the host ends its guests as well. A torn last line is dropped.
 */
export class JournalFile<Entry> {
  readonly #path: string;
  readonly #linesMax: number;
  readonly #live: () => Iterable<Entry>;
  #descriptor: number | undefined;
  #lines = 0;

  /** `live` yields the entries that are still needed: what is left when the file is made anew. */
  constructor(path: string, live: () => Iterable<Entry>, linesMax = 5_000) {
    this.#path = path;
    this.#live = live;
    this.#linesMax = linesMax;
  }

  /** Reads all entries in order and opens the file for appending. */
  open(): Entry[] {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const entries = existsSync(this.#path) ? parse<Entry>(readFileSync(this.#path, "utf8")) : [];
    this.#descriptor = openSync(this.#path, "a", 0o600);
    this.#lines = entries.length;
    // A torn last line must not swallow the next entry.
    writeSync(this.#descriptor, "\n");
    return entries;
  }

  /**
   * @throws the file system's error (such as ENOSPC): then nothing may be done that needs the entry.
   */
  append(entry: Entry): void {
    if (this.#descriptor === undefined) throw new Error("Expected the journal to be open");
    writeSync(this.#descriptor, `${JSON.stringify(entry)}\n`);
    this.#lines += 1;
    if (this.#lines > this.#linesMax) this.#compact();
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #compact(): void {
    const lines = [...this.#live()].map((entry) => JSON.stringify(entry));
    // What is live may be close to the limit: then the next attempt is that much later.
    this.#lines = Math.min(lines.length, this.#linesMax / 2);
    const next = `${this.#path}.new`;
    try {
      writeFileSync(next, `${lines.join("\n")}\n`, { mode: 0o600 });
    } catch {
      return; // A full disk: the old file stays good.
    }
    this.close();
    renameSync(next, this.#path);
    this.#descriptor = openSync(this.#path, "a", 0o600);
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
