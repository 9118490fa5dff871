import type { QmpCounters } from "./counters.ts";

// {"timestamp": {"seconds": 1795251070, "microseconds": 430749}, "event": "MIGRATION_PASS", "data": ...
const PREFIX = '{"timestamp": {';
const NEEDLE = '}, "event": "MIGRATION_PASS"';
const NEEDLE_OFFSET_MAX = 100;

const FLOOD_COUNT = 32;

/**
 * Recognises the line QEMU writes for MIGRATION_PASS without parsing JSON. The brace before "event"
 * closes the timestamp, so the match is at the top level and not inside a string. A line with other
 * spacing or order is parsed as JSON and reaches the coalescer from there, only slower.
 */
export function isPassLine(line: Buffer): boolean {
  if (line.length > 512 || line[2] !== 0x74) return false;
  const offset = line.indexOf(NEEDLE, PREFIX.length, "latin1");
  if (offset < 0 || offset > NEEDLE_OFFSET_MAX) return false;
  return line.toString("latin1", 0, PREFIX.length) === PREFIX;
}

/**
 * Keeps only the newest MIGRATION_PASS and a count, and delivers at most one per interval: QEMU sends
 * 10,000 to 19,000 of them per second while switchover is held with an idle guest.
 */
export class PassCoalescer {
  readonly #intervalMs: number;
  readonly #counters: QmpCounters;
  readonly #deliver: (line: Buffer, count: number) => void;
  #newest: Buffer | undefined;
  #count = 0;
  #deliveredAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly intervalMs: number;
    readonly counters: QmpCounters;
    readonly deliver: (line: Buffer, count: number) => void;
  }) {
    this.#intervalMs = options.intervalMs;
    this.#counters = options.counters;
    this.#deliver = options.deliver;
  }

  /** Many have come since the last delivery, and no other event. */
  get isFlooded(): boolean {
    return this.#count >= FLOOD_COUNT;
  }

  add(line: Buffer): void {
    this.#counters.eventsReceived += 1;
    this.#counters.passEventsReceived += 1;
    if (this.#count > 0) this.#counters.passEventsCoalesced += 1;
    this.#newest = line;
    this.#count += 1;
    if (this.#timer) return;
    const restMs = this.#deliveredAtMs + this.#intervalMs - performance.now();
    if (restMs <= 0) this.flush();
    else this.#timer = setTimeout(() => this.flush(), restMs);
  }

  /** Delivers what waits. Called before any other event, to keep the order. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const line = this.#newest;
    if (!line) return;
    const count = this.#count;
    this.#newest = undefined;
    this.#count = 0;
    this.#deliveredAtMs = performance.now();
    this.#deliver(line, count);
  }
}
