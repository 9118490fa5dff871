import type { HostTable } from "../../core/plan/host-table.ts";
import type { Move } from "../../core/plan/move.ts";
import type { PlanOptions } from "../../core/plan/options.ts";
import { TimeQueue } from "../../core/plan/time-queue.ts";
import { type Capacity, share } from "./links.ts";
import type { Starter } from "./rivals.ts";
import { Transfer } from "./transfer.ts";
import type { Truth } from "./truth.ts";

export type SimulationInput = {
  readonly table: HostTable;
  readonly options: PlanOptions;
  readonly starter: Starter;
  readonly truths: ReadonlyMap<string, Truth>;
  /** Highest rate of one migration, B/s. */
  readonly cap: (move: Move) => number;
  /** Whether this try of a migration fails, and after which share of its predicted time. */
  readonly failsAfter?: (move: Move) => number | undefined;
};

/** One try of a migration as it was. Times in ms. */
export type Entry = {
  readonly move: Move;
  readonly prepareAt: number;
  readonly readyAt: number;
  readonly startAt: number;
  readonly endAt: number;
  readonly bytes: number;
  readonly downtimeMs: number;
  readonly ended: "completed" | "failed";
};

type Event =
  | { type: "prepared"; move: Move }
  | { type: "loaded"; transfer: Transfer; downtimeMs: number }
  | { type: "failed"; transfer: Transfer }
  | { type: "returned"; host: number };

/** Carries a plan out in a fluid: streams share the links, guests write as they truly do. */
export class Simulation {
  readonly log: Entry[] = [];
  readonly transfers = new Set<Transfer>();
  /** Transfers whose last byte has been sent, with the end of their slot. */
  readonly loading = new Map<Transfer, number>();
  readonly preparing = new Map<Move, number>();
  readonly ready = new Set<Move>();
  readonly emptiedAt = new Map<number, number>();
  now = 0;
  readonly #input: SimulationInput;
  readonly #capacity: readonly Capacity[];
  readonly #events = new TimeQueue<Event>();
  readonly #prepareAt = new Map<Move, number>();
  readonly #readyAt = new Map<Move, number>();
  /** Targets that an earlier plan has prepared, or is preparing, and when they are ready. */
  readonly #kept = new Map<string, number>();
  #starter: Starter;

  constructor(input: SimulationInput) {
    this.#input = input;
    this.#starter = input.starter;
    this.#capacity = input.table.rows.map((row) => ({
      out: row.out.linkBytesPerSecond,
      in: row.in.linkBytesPerSecond,
    }));
    this.#proceed();
  }

  /** Somebody else decides from now on; what is in flight goes on. */
  replaceStarter(starter: Starter): void {
    this.#starter = starter;
    for (const move of this.ready) this.#kept.set(keyOf(move), this.now);
    for (const [move, since] of this.preparing) {
      this.#kept.set(keyOf(move), since + this.#truthOf(move).prepareMs);
    }
    this.preparing.clear();
    this.ready.clear();
    this.#proceed();
  }

  /** Runs until nothing is left to do, or until a time, ms. */
  run(until = Number.POSITIVE_INFINITY): void {
    for (;;) {
      const next = this.#nextTransfer();
      const at = Math.min(
        next?.at ?? Number.POSITIVE_INFINITY,
        this.#events.nextAt ?? Number.POSITIVE_INFINITY,
      );
      if (at === Number.POSITIVE_INFINITY || at > until) break;
      this.#advance(at);
      if (next !== undefined && next.at <= at) this.#endPass(next.transfer);
      else this.#handleEvents(at);
    }
    if (until !== Number.POSITIVE_INFINITY) this.#advance(until);
  }

  /** Ends a transfer that cannot go on; its guest runs on at the source. */
  fail(transfer: Transfer): void {
    if (!this.transfers.delete(transfer) && !this.loading.delete(transfer)) return;
    this.#record(transfer, "failed", 0);
  }

  #handleEvents(at: number): void {
    for (let event = this.#events.next(); event !== undefined; event = this.#events.next()) {
      this.#apply(event.value);
      if (this.#events.nextAt !== at) break;
    }
    this.#proceed();
  }

  #apply(event: Event): void {
    switch (event.type) {
      case "prepared":
        if (!this.preparing.delete(event.move)) return;
        this.ready.add(event.move);
        this.#readyAt.set(event.move, this.now);
        this.#starter.prepared(event.move);
        return;
      case "returned":
        this.#starter.returned(event.host);
        return;
      case "failed":
        if (!this.transfers.has(event.transfer)) return;
        this.fail(event.transfer);
        this.#starter.failed(event.transfer.move);
        return;
      case "loaded":
        if (!this.loading.delete(event.transfer)) return;
        this.#record(event.transfer, "completed", event.downtimeMs);
        this.#starter.ended(event.transfer.move);
    }
  }

  #endPass(transfer: Transfer): void {
    if (!transfer.nextPass(this.now)) return;
    const { loadMs } = transfer.truth;
    const slotEnd = this.now + loadMs + this.#input.options.finishMs;
    this.transfers.delete(transfer);
    this.loading.set(transfer, slotEnd);
    const downtimeMs = transfer.stoppedFor(this.now) + loadMs;
    this.#events.add(slotEnd, { type: "loaded", transfer, downtimeMs });
    share(this.transfers, this.#capacity);
  }

  #proceed(): void {
    const { prepare, start, emptied } = this.#starter.next();
    for (const move of prepare) {
      this.#prepareAt.set(move, this.now);
      this.preparing.set(move, this.now);
      const readyAt = this.#kept.get(keyOf(move)) ?? this.now + this.#truthOf(move).prepareMs;
      this.#kept.delete(keyOf(move));
      this.#events.add(Math.max(this.now, readyAt), { type: "prepared", move });
    }
    for (const move of start) this.#start(move);
    const { returnAfterMs } = this.#input.options;
    for (const host of emptied) {
      this.emptiedAt.set(host, this.now);
      if (returnAfterMs === undefined) continue;
      this.#events.add(this.now + returnAfterMs, { type: "returned", host });
    }
    if (start.length > 0) share(this.transfers, this.#capacity);
  }

  #start(move: Move): void {
    const { cap, failsAfter } = this.#input;
    this.ready.delete(move);
    const transfer = new Transfer(move, this.#truthOf(move), { cap: cap(move), now: this.now });
    this.transfers.add(transfer);
    const part = failsAfter?.(move);
    if (part === undefined) return;
    const at = this.now + part * move.estimate.slotMs;
    this.#events.add(at, { type: "failed", transfer });
  }

  #record(transfer: Transfer, ended: Entry["ended"], downtimeMs: number): void {
    const { move, startedAt, sentBytes } = transfer;
    this.log.push({
      move,
      prepareAt: this.#prepareAt.get(move) ?? startedAt,
      readyAt: this.#readyAt.get(move) ?? startedAt,
      startAt: startedAt,
      endAt: this.now,
      bytes: sentBytes,
      downtimeMs,
      ended,
    });
    if (ended === "failed") share(this.transfers, this.#capacity);
  }

  #nextTransfer(): { transfer: Transfer; at: number } | undefined {
    let next: { transfer: Transfer; at: number } | undefined;
    for (const transfer of this.transfers) {
      const at = transfer.passEndsAt(this.now);
      if (next === undefined || at < next.at) next = { transfer, at };
    }
    return next;
  }

  #advance(to: number): void {
    for (const transfer of this.transfers) transfer.advance(to - this.now);
    this.now = to;
  }

  #truthOf(move: Move): Truth {
    const truth = this.#input.truths.get(move.guest.vm.id);
    if (truth === undefined) throw new RangeError(`Expected a truth of ${move.guest.vm.id}`);
    return truth;
  }
}

function keyOf({ guest, target }: Move): string {
  return `${guest.vm.id} ${target}`;
}
