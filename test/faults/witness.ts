import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { parseSerialLog } from "../../rig/guest/serial.ts";

const EVERY_MS = 25;
const TAIL_BYTES = 2_048;

type Side = { path: string; bytes: number };

/**
 * Watches the serial logs of both sides during a migration: a side that prints runs the guest. This
 * is what the guest did, independent of what the agents report.
 */
export class Witness {
  readonly violations: string[] = [];
  readonly #source: Side;
  readonly #target: Side;
  readonly #timer: NodeJS.Timeout;
  #targetRan = false;
  #counter = 0;
  #printedMs = performance.now();
  #longestMs = 0;
  #isMeasuring = true;
  /** The guest resets itself: its counter begins anew. */
  mayRestart = false;

  constructor(paths: { source: string; target: string }) {
    this.#source = { path: paths.source, bytes: 0 };
    this.#target = { path: paths.target, bytes: 0 };
    this.#poll();
    this.#timer = setInterval(() => this.#poll(), EVERY_MS);
  }

  /** The guest has run on the target. */
  get targetRan(): boolean {
    return this.#targetRan;
  }

  /** The highest count printed so far, on either side. */
  get counter(): number {
    return this.#counter;
  }

  /** The longest time for which the guest printed nothing, until `stopMeasuring`. */
  get longestStandstillMs(): number {
    return this.#longestMs;
  }

  stopMeasuring(): void {
    this.#poll();
    this.#isMeasuring = false;
  }

  close(): void {
    this.#poll();
    clearInterval(this.#timer);
  }

  #poll(): void {
    // The target first: what the source printed before the target began is then read afterwards.
    const target = this.#read(this.#target);
    const ranBefore = this.#targetRan;
    if (target) this.#targetRan = true;
    const source = this.#read(this.#source);
    this.#measure(source || target);
    if (source && ranBefore) this.#violate("the source ran after the target had begun to");
  }

  #measure(hasPrinted: boolean): void {
    const now = performance.now();
    if (this.#isMeasuring) this.#longestMs = Math.max(this.#longestMs, now - this.#printedMs);
    if (hasPrinted) this.#printedMs = now;
  }

  /** Whether it has printed since the last poll. */
  #read(side: Side): boolean {
    const tail = readTail(side.path);
    if (tail === undefined || tail.bytes <= side.bytes) return false;
    side.bytes = tail.bytes;
    const { lines } = parseSerialLog(tail.text);
    const errors = lines.at(-1)?.errors ?? 0;
    if (errors !== 0) this.#violate(`the guest found ${errors} pages changed`);
    const last = lines.at(-1)?.counter ?? 0;
    if (last > 0 && last < this.#counter && !this.mayRestart) {
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
