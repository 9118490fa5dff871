import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { parseSerialLog } from "../../rig/guest/serial.ts";

const EVERY_MS = 25;
const TAIL_BYTES = 2_048;

type Side = { path: string; bytes: number };

/**
 * Watches the serial logs of both ends for as long as a migration lasts: who prints, runs. Whatever
 * the parts say of themselves, this is what the guest did.
 */
export class Witness {
  readonly violations: string[] = [];
  readonly #source: Side;
  readonly #target: Side;
  readonly #timer: NodeJS.Timeout;
  #targetRan = false;
  #counter = 0;

  constructor(paths: { source: string; target: string }) {
    this.#source = { path: paths.source, bytes: 0 };
    this.#target = { path: paths.target, bytes: 0 };
    this.#look();
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  /** The guest has run on the target. */
  get targetRan(): boolean {
    return this.#targetRan;
  }

  /** The highest count seen, on either side. */
  get counter(): number {
    return this.#counter;
  }

  close(): void {
    this.#look();
    clearInterval(this.#timer);
  }

  #look(): void {
    // The target first: whatever the source printed before the target began is then seen with it.
    const target = this.#read(this.#target);
    const ranBefore = this.#targetRan;
    if (target) this.#targetRan = true;
    const source = this.#read(this.#source);
    if (source && ranBefore) this.#violate("the source ran after the target had begun to");
  }

  /** Whether it has printed since the last look. */
  #read(side: Side): boolean {
    const tail = readTail(side.path);
    if (tail === undefined || tail.bytes <= side.bytes) return false;
    side.bytes = tail.bytes;
    const { lines } = parseSerialLog(tail.text);
    const errors = lines.at(-1)?.errors ?? 0;
    if (errors !== 0) this.#violate(`the guest found ${errors} pages changed`);
    const last = lines.at(-1)?.counter ?? 0;
    if (last > 0 && last < this.#counter) {
      this.#violate(`the guest's counter went back from ${this.#counter} to ${last}`);
    }
    this.#counter = Math.max(this.#counter, last);
    return true;
  }

  #violate(text: string): void {
    if (!this.violations.includes(text)) this.violations.push(text);
  }
}

function readTail(path: string): { bytes: number; text: string } | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(TAIL_BYTES);
    const read = readSync(file, buffer, 0, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
    return { bytes: size, text: buffer.toString("latin1", 0, read) };
  } finally {
    closeSync(file);
  }
}
