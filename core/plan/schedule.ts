import type { HasTime } from "./dispatch.ts";
import { Execution, type ExecutionInput, type Held } from "./execution.ts";
import type { Move } from "./move.ts";
import { TimeQueue } from "./time-queue.ts";

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
  /** When the last migration is over and the last host is empty. */
  readonly endMs: number;
  /** When each host's last guest has gone. */
  readonly emptiedAtMs: ReadonlyMap<number, number>;
};

/** How long a migration takes to prepare, and keeps its slots, ms. */
export type MoveTimes = Pick<Move["estimate"], "prepareMs" | "slotMs">;

type Event =
  | { type: "prepared"; move: Move }
  | { type: "ended"; move: Move }
  | { type: "returned"; host: number }
  | { type: "released"; held: Held }
  | { type: "opened" };

/**
 * Plays a plan with predicted times. `backInMs`: hosts that are empty already, and when they return.
 *
 * @param times how long migrations take, ms; as estimated by default
 */
export function schedule(
  input: ExecutionInput & { readonly backInMs?: ReadonlyMap<number, number> },
  times: (move: Move) => MoveTimes = ({ estimate }) => estimate,
): Schedule {
  const execution = new Execution(input);
  const events = new TimeQueue<Event>();
  for (const held of input.held) events.add(held.endsInMs, { type: "released", held });
  const { windows } = input.options;
  for (const { startMs } of windows ?? []) events.add(startMs, { type: "opened" });
  const hasTime = (now: number): HasTime | undefined => {
    if (windows === undefined) return undefined;
    const window = windows.find(({ startMs, endMs }) => startMs <= now && now < endMs);
    return (move, from) => {
      const { prepareMs, slotMs } = times(move);
      const neededMs = from === "start" ? slotMs : prepareMs + slotMs;
      return window !== undefined && now + neededMs <= window.endMs;
    };
  };
  const prepareAt = new Map<Move, number>();
  const moves: Timed[] = [];
  const emptiedAtMs = new Map<number, number>();
  const proceed = (now: number) => {
    const { prepare, start, emptied } = execution.next(hasTime(now));
    for (const move of prepare) {
      prepareAt.set(move, now);
      events.add(now + times(move).prepareMs, { type: "prepared", move });
    }
    const byGroup = Map.groupBy(start, ({ guest }) => guest.vm.gateGroup);
    for (const move of start) {
      // At the gate all wait for the slowest of the group.
      const { gateGroup } = move.guest.vm;
      const group = gateGroup === undefined ? [move] : (byGroup.get(gateGroup) ?? []);
      const slotMs = group.reduce((most, member) => Math.max(most, times(member).slotMs), 0);
      const endAtMs = now + slotMs;
      moves.push({ move, prepareAtMs: prepareAt.get(move) ?? now, startAtMs: now, endAtMs });
      events.add(endAtMs, { type: "ended", move });
    }
    for (const host of emptied) {
      emptiedAtMs.set(host, now);
      const inMs = input.backInMs?.get(host) ?? input.options.returnAfterMs;
      if (inMs !== undefined) events.add(now + inMs, { type: "returned", host });
    }
  };
  proceed(0);
  for (let event = events.next(); event !== undefined; event = events.next()) {
    apply(execution, event.value);
    // What is due at one time is seen together, so that the most urgent goes first.
    if (events.nextAt !== event.at) proceed(event.at);
  }
  const ends = [...moves.map(({ endAtMs }) => endAtMs), ...emptiedAtMs.values()];
  const endMs = ends.reduce((last, end) => Math.max(last, end), 0);
  return { moves, endMs, emptiedAtMs };
}

function apply(execution: Execution, event: Event): void {
  if (event.type === "prepared") execution.prepared(event.move);
  else if (event.type === "ended") execution.ended(event.move);
  else if (event.type === "returned") execution.returned(event.host);
  else if (event.type === "opened") execution.windowOpened();
  else execution.released(event.held);
}
