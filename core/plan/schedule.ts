import { Dispatcher } from "./dispatch.ts";
import type { HostTable } from "./host-table.ts";
import type { Move } from "./move.ts";
import type { PlanOptions } from "./options.ts";
import { TimeQueue } from "./time-queue.ts";
import { Turns } from "./turns.ts";

/** A migration that is in flight when the plan begins. */
export type Held = {
  readonly source: number;
  readonly target: number;
  readonly endsInMs: number;
};

export type ScheduleInput = {
  readonly table: HostTable;
  readonly options: PlanOptions;
  /** The most urgent first. */
  readonly moves: readonly Move[];
  /** Hosts to be emptied, in the order of their turns. */
  readonly order: readonly number[];
  /** Of them, those of which guests remain: they do not come back. */
  readonly keeping: ReadonlySet<number>;
  readonly held: readonly Held[];
};

/** When a migration is expected to be prepared, started and over, ms after the plan begins. */
export type Timed = {
  readonly move: Move;
  readonly prepareAtMs: number;
  readonly startAtMs: number;
  readonly endAtMs: number;
};

export type Schedule = {
  /** In the order of their starts. */
  readonly moves: readonly Timed[];
  readonly endMs: number;
  /** When each host's last guest has gone. */
  readonly emptiedAtMs: ReadonlyMap<number, number>;
};

type Event =
  | { type: "prepared"; move: Move }
  | { type: "ended"; move: Move }
  | { type: "returned"; host: number }
  | { type: "released"; held: Held };

/**
 * Plays the plan with predicted times.
 *
 * @param slotMs how long a migration keeps its slots, ms; its estimate's by default
 */
export function schedule(
  input: ScheduleInput,
  slotMs: (move: Move) => number = ({ estimate }) => estimate.slotMs,
): Schedule {
  const { table, options, order, keeping } = input;
  const dispatcher = new Dispatcher(table, options.tenantLimits);
  const turns = new Turns(order, options);
  const events = new TimeQueue<Event>();
  const left = new Map(order.map((host) => [host, 0]));
  for (const { source } of input.moves) left.set(source, (left.get(source) ?? 0) + 1);
  for (const held of input.held) {
    dispatcher.hold(held.source, held.target, 1);
    events.add(held.endsInMs, { type: "released", held });
  }
  dispatcher.add(input.moves);
  const prepareAt = new Map<Move, number>();
  const timed: Timed[] = [];
  const emptiedAtMs = new Map<number, number>();
  const finish = (host: number, now: number) => {
    if (!keeping.has(host)) emptiedAtMs.set(host, now);
    const { returnAfterMs } = options;
    if (returnAfterMs === undefined || keeping.has(host)) turns.done();
    else events.add(now + returnAfterMs, { type: "returned", host });
  };
  const proceed = (now: number) => {
    for (let begun = turns.begin(); begun.length > 0; begun = turns.begin()) {
      for (const host of begun) {
        dispatcher.openSource(host);
        if (left.get(host) === 0) finish(host, now);
      }
    }
    const { prepare, start } = dispatcher.next();
    for (const move of prepare) {
      prepareAt.set(move, now);
      events.add(now + move.estimate.prepareMs, { type: "prepared", move });
    }
    for (const move of start) {
      const endAtMs = now + slotMs(move);
      const prepareAtMs = prepareAt.get(move) ?? now;
      timed.push({ move, prepareAtMs, startAtMs: now, endAtMs });
      events.add(endAtMs, { type: "ended", move });
    }
  };
  proceed(0);
  const handle = (value: Event, now: number) => {
    if (value.type === "prepared") dispatcher.prepared(value.move);
    if (value.type === "released") dispatcher.hold(value.held.source, value.held.target, -1);
    if (value.type === "returned") {
      dispatcher.returned(value.host);
      turns.done();
    }
    if (value.type !== "ended") return;
    const { source } = value.move;
    dispatcher.ended(value.move);
    left.set(source, (left.get(source) ?? 1) - 1);
    if (left.get(source) === 0) finish(source, now);
  };
  for (let event = events.next(); event !== undefined; event = events.next()) {
    handle(event.value, event.at);
    // What is due at one time is seen together, so that the most urgent goes first.
    if (events.nextAt !== event.at) proceed(event.at);
  }
  const endMs = timed.reduce((last, { endAtMs }) => Math.max(last, endAtMs), 0);
  return { moves: timed, endMs, emptiedAtMs };
}
