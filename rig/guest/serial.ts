import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** One line of the guest: its counter and the pages it found changed, both since boot. */
export type CounterReading = {
  /** Ticks of 10 ms since boot, without those the guest was stopped for. */
  readonly counter: number;
  /** Pages that did not hold what the guest had written to them. Anything but 0 is lost memory. */
  readonly errors: number;
};

export type SerialLog = {
  /** Whether the guest's greeting is in the log: true on the side where it booted. */
  readonly ready: boolean;
  /** The last counter of the log, if it has one. */
  readonly counter: number | undefined;
  /** The error count printed with it. */
  readonly errors: number | undefined;
  /** Every whole counter line, oldest first. */
  readonly lines: readonly CounterReading[];
};

export type WaitForCounterOptions = {
  /** Longest wait, in ms. */
  readonly timeoutMs: number;
  /** Ends the wait early. */
  readonly signal?: AbortSignal;
};

/** The counter did not get there in time. `last` is the last reading. */
export class CounterTimeoutError extends Error {
  override name = "CounterTimeoutError";
  readonly last: CounterReading | undefined;

  constructor(path: string, timeoutMs: number, last: CounterReading | undefined) {
    const seen = last ? `counter=${last.counter} errors=${last.errors}` : "no counter";
    super(`Failed to see the awaited counter in ${path} within ${timeoutMs} ms: ${seen}`);
    this.last = last;
  }
}

const LINE = /counter=(\d{1,10}) errors=(\d{1,10})\r?\n/g;
const GREETING = "switchyard guest ready";
const POLL_MS = 50;
/** Some 150 lines: 15 seconds of printing. */
const TAIL_BYTES = 4096;

/**
 * Reads a serial log. Only whole lines count: a line that is cut at its start (the target's log
 * begins where the source's stopped) or still being written is passed over, and so is what the BIOS
 * prints. The source's log followed by the target's reads as one log.
 */
export function parseSerialLog(text: string): SerialLog {
  const lines = [...text.matchAll(LINE)].map((match) => ({
    counter: Number(match[1]),
    errors: Number(match[2]),
  }));
  const last = lines.at(-1);
  return { ready: text.includes(GREETING), counter: last?.counter, errors: last?.errors, lines };
}

/**
 * Reads the last counter of a serial log file, however long it is; undefined if there is none in
 * the last 4 KiB, or no file yet.
 *
 * @throws the file system's error, other than ENOENT.
 */
export async function readCounter(path: string): Promise<CounterReading | undefined> {
  return parseSerialLog(await readTail(path)).lines.at(-1);
}

/**
 * Waits until the last counter of a serial log file satisfies `predicate`; polls every 50 ms.
 *
 * @throws {CounterTimeoutError} when `timeoutMs` is over.
 * @throws an AbortError, or the signal's own reason, when `signal` aborts.
 */
export async function waitForCounter(
  path: string,
  predicate: (reading: CounterReading) => boolean,
  { timeoutMs, signal }: WaitForCounterOptions,
): Promise<CounterReading> {
  const deadlineMs = performance.now() + timeoutMs;
  while (true) {
    signal?.throwIfAborted();
    const reading = await readCounter(path);
    if (reading && predicate(reading)) return reading;
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) throw new CounterTimeoutError(path, timeoutMs, reading);
    await sleep(Math.min(POLL_MS, leftMs), undefined, signal ? { signal } : {});
  }
}

async function readTail(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const position = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(TAIL_BYTES), position });
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
