import * as z from "zod";
import { Migration } from "../../../core/migration/migration.ts";

const { id, vm, source, target, status, createdAt, endedAt, runningOn, endState } = Migration.shape;
const { evacuation, phases } = Migration.shape;
const Row = z.object({
  id,
  vm,
  source,
  target,
  status,
  createdAt,
  endedAt,
  runningOn,
  endState,
  evacuation,
  phases,
  slotsSince: z.iso.datetime().optional(),
});
type Row = z.infer<typeof Row>;
/** One migration, from when it has a place or slots, and memory. */
type Logged = Omit<Row, "createdAt" | "evacuation" | "phases"> & { readonly admittedAt: string };

export type CheckedFleet = {
  /** Where each guest ran at the beginning. */
  readonly places: ReadonlyMap<string, string>;
  /** Of each host and direction. */
  readonly slots: number;
  /** Migrations of each host and direction that may be prepared without slots. */
  readonly pool: number;
  /** Guests that a host has memory for: all are of one size. */
  readonly room: number;
};

type Step = "begin" | "send" | "end";
type LogEvent = { readonly atMs: number; readonly is: Step; readonly of: Logged };

/** All migrations of these guests that were admitted, from the rows of the table. */
export function logOf(rows: readonly unknown[], vms: ReadonlySet<string>): Logged[] {
  return rows.flatMap((row) => {
    const { data } = Row.safeParse(row);
    if (data === undefined || !vms.has(data.vm)) return [];
    const admittedAt = admittedAtOf(data);
    return admittedAt === undefined ? [] : [{ ...data, admittedAt }];
  });
}

/** A move is admitted as it is created; a single migration may wait for that, or never come to it. */
function admittedAtOf({ evacuation: by, createdAt: at, slotsSince, phases: entered }: Row) {
  if (by !== undefined) return at;
  const probed = entered.find(({ name }) => name === "probe")?.startedAt;
  return [probed, slotsSince].filter((time) => time !== undefined).toSorted()[0];
}

/** One whose end is unknown keeps what it has. */
function eventsOf(of: Logged): LogEvent[] {
  const event = (is: Step, at: string | undefined): LogEvent[] =>
    at === undefined ? [] : [{ atMs: Date.parse(at), is, of }];
  const end = of.status === "unknown" ? undefined : of.endedAt;
  return [...event("begin", of.admittedAt), ...event("send", of.slotsSince), ...event("end", end)];
}

/**
 * Replays the log: no slot, no place to be prepared and no memory is overshot, each guest moves from
 * where it is, one migration at a time, and nothing is left over. From its admission to its end a
 * migration has memory on its target, beside that of its source, and a place or a slot on both hosts;
 * from when it got its slots, slots.
 *
 * @returns what is wrong
 */
export function faultsIn(log: readonly Logged[], fleet: CheckedFleet): string[] {
  const replay = new LogReplay(fleet);
  const left = new Set(log.flatMap(eventsOf).toSorted((one, other) => one.atMs - other.atMs));
  while (left.size > 0) {
    const [first] = left;
    const next = replay.next([...left].filter(({ atMs }) => atMs === first?.atMs));
    if (next === undefined) break;
    left.delete(next);
    replay.apply(next);
  }
  return [...replay.found, ...[...replay.moving].map((guest) => `${guest} is still moving`)];
}

class LogReplay {
  readonly found: string[] = [];
  readonly moving = new Set<string>();
  readonly #fleet: CheckedFleet;
  readonly #where: Map<string, string>;
  readonly #counts = new Map<string, number>();
  readonly #begun = new Set<string>();
  readonly #sending = new Set<string>();

  constructor(fleet: CheckedFleet) {
    this.#fleet = fleet;
    this.#where = new Map(fleet.places);
    for (const host of fleet.places.values()) this.#add(`guests on ${host}`, 1);
  }

  /**
   * The clock of the workflow tests stands still while something happens, so the instants of the
   * records order too little. Among those of one instant, what ends gives back before another one
   * takes, and a guest that moves twice begins with the move from where it is.
   */
  next(now: readonly LogEvent[]): LogEvent | undefined {
    const sends = now.filter(({ is, of }) => is === "send" && this.#begun.has(of.id));
    const isToSend = ({ of }: LogEvent) => sends.some((send) => send.of === of);
    return (
      now.find((one) => one.is === "end" && this.#begun.has(one.of.id) && !isToSend(one)) ??
      sends.find(({ of }) => slotsOf(of).every((slot) => this.#count(slot) < this.#fleet.slots)) ??
      now.find(({ is, of }) => is === "begin" && this.#where.get(of.vm) === of.source) ??
      sends[0] ??
      now[0]
    );
  }

  apply({ is, of }: LogEvent): void {
    if (is === "begin") this.#begin(of);
    else if (is === "send") this.#send(of);
    else this.#end(of);
  }

  #begin(of: Logged): void {
    const { id, vm, source, target } = of;
    const { slots, pool, room } = this.#fleet;
    this.#begun.add(id);
    for (const slot of slotsOf(of)) {
      const count = this.#add(`admitted: ${slot}`, 1);
      if (count > slots + pool)
        this.found.push(`${id}: ${count} admitted of ${slot}, not ${slots} and ${pool}`);
    }
    const here = this.#add(`guests on ${target}`, 1);
    if (here > room) this.found.push(`${id}: ${target} has ${here} guests, and room for ${room}`);
    if (this.moving.has(vm)) this.found.push(`${id}: ${vm} is in two migrations`);
    const at = this.#where.get(vm);
    if (at !== source) this.found.push(`${id}: ${vm} is on ${at}, not ${source}`);
    this.moving.add(vm);
  }

  #send(of: Logged): void {
    this.#sending.add(of.id);
    for (const slot of slotsOf(of)) {
      const count = this.#add(slot, 1);
      if (count > this.#fleet.slots)
        this.found.push(`${of.id}: ${count} slots of ${slot}, there are ${this.#fleet.slots}`);
    }
  }

  #end(of: Logged): void {
    const { id, vm, source, target, status, endState, runningOn } = of;
    for (const slot of slotsOf(of)) {
      this.#add(`admitted: ${slot}`, -1);
      if (this.#sending.has(id)) this.#add(slot, -1);
    }
    this.moving.delete(vm);
    this.#add(`guests on ${status === "completed" ? source : target}`, -1);
    if (status === "completed") {
      this.#where.set(vm, target);
      if (!this.#sending.has(id)) this.found.push(`${id}: completed without slots`);
    } else if (endState?.host === source && endState.state !== "running") {
      // The guest has ended by itself.
      this.#add(`guests on ${source}`, -1);
      this.#where.delete(vm);
    } else if (runningOn !== source) this.found.push(`${id}: ${vm} runs on ${runningOn}`);
  }

  #count(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  #add(what: string, count: number): number {
    const now = this.#count(what) + count;
    this.#counts.set(what, now);
    return now;
  }
}

function slotsOf({ source, target }: Pick<Logged, "source" | "target">): string[] {
  return [`${source} out`, `${target} in`];
}
