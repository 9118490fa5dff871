import type { Tick } from "./lost-time.ts";

export type WorkerName = "ram" | "raw" | "cow";
export type Progress = { readonly steps: number; readonly errors: number };
type Report = Tick & {
  readonly seq: number;
  /** The number that the peer echoed last. */
  readonly echoed: number;
  /** All workers have ended. */
  readonly ended: boolean;
  readonly workers: Readonly<Record<WorkerName, Progress>>;
};

const TICKS_MAX = 100_000;

/** What a guest has said on its one connection. */
export class GuestLink {
  readonly #reports: Report[] = [];
  #connections = 0;
  #closed: string | undefined;
  #missing = 0;

  get last(): Report | undefined {
    return this.#reports.at(-1);
  }

  /** How it was closed; undefined while it is open. */
  get closed(): string | undefined {
    return this.#closed;
  }

  /** Whether it is the guest's only connection, open, and has lost no tick. */
  get isWhole(): boolean {
    return this.#connections === 1 && this.#closed === undefined && this.#missing === 0;
  }

  /** Ticks that came in this time of the peer's clock, ms. */
  ticks(fromMs: number, untilMs: number): readonly Report[] {
    return this.#reports.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
  }

  /** @throws Error for a line that a guest does not write. */
  take(line: string, atMs: number): void {
    const [kind = "", ...words] = line.split(" ");
    if (kind === "hello") this.#connections += 1;
    else if (kind === "closed") this.#closed = words.join(" ");
    else if (kind === "tick") this.#add(words, atMs);
    else throw new Error(`Expected a line of a guest, got "${line}"`);
  }

  #add(words: readonly string[], atMs: number): void {
    const [seq, guestNs, echoed, ended, ...rest] = words;
    const workers = Object.fromEntries(
      rest.flatMap((name, index) =>
        index % 3 === 0
          ? [[name, { steps: Number(rest[index + 1]), errors: Number(rest[index + 2]) }]]
          : [],
      ),
    ) as Record<WorkerName, Progress>;
    const expected = (this.last?.seq ?? 0) + 1;
    if (Number(seq) !== expected) this.#missing += 1;
    this.#reports.push({
      seq: Number(seq),
      guestMs: Number(guestNs) / 1e6,
      atMs,
      echoed: Number(echoed),
      ended: ended === "1",
      workers,
    });
    if (this.#reports.length > TICKS_MAX) this.#reports.splice(0, TICKS_MAX / 2);
  }
}
