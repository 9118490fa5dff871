import { z } from "zod";
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
});
type Row = z.infer<typeof Row>;
/** One migration, from when it holds its slots and memory. */
type Logged = Omit<Row, "createdAt" | "evacuation" | "phases"> & { readonly heldFrom: string };

export type CheckedFleet = {
  /** Where each guest ran at the beginning. */
  readonly places: ReadonlyMap<string, string>;
  /** Of each host and direction. */
  readonly slots: number;
  /** Guests that a host has memory for: all are of one size. */
  readonly room: number;
};

type LogEvent = { readonly atMs: number; readonly is: "begin" | "end"; readonly of: Logged };

/** All migrations of these guests that were admitted, from the rows of the table. */
export function logOf(rows: readonly unknown[], vms: ReadonlySet<string>): Logged[] {
  return rows.flatMap((row) => {
    const { data } = Row.safeParse(row);
    if (data === undefined || !vms.has(data.vm)) return [];
    const heldFrom = heldFromOf(data);
    return heldFrom === undefined ? [] : [{ ...data, heldFrom }];
  });
}

/** A move is admitted as it is created; a single migration may wait for that, or never come to it. */
function heldFromOf({ evacuation: by, createdAt: at, phases: entered }: Row): string | undefined {
  return by === undefined ? entered.find(({ name }) => name === "probe")?.startedAt : at;
}

/**
 * The clock of the workflow tests stands still while something happens, so the instants of the records
 * order too little. Among those of one instant, what ends gives back before another begins, and a
 * guest that moves twice begins with the move from where it is.
 */
function eventsOf(log: readonly Logged[], places: ReadonlyMap<string, string>): LogEvent[] {
  const left = new Set(log.flatMap(bothEvents).toSorted((one, other) => one.atMs - other.atMs));
  const begun = new Set<string>();
  const where = new Map(places);
  const ordered: LogEvent[] = [];
  while (left.size > 0) {
    const [first] = left;
    const now = [...left].filter(({ atMs }) => atMs === first?.atMs);
    const next =
      now.find(({ is, of }) => is === "end" && begun.has(of.id)) ??
      now.find(({ is, of }) => is === "begin" && where.get(of.vm) === of.source) ??
      now.at(0);
    if (next === undefined) break;
    left.delete(next);
    ordered.push(next);
    if (next.is === "begin") begun.add(next.of.id);
    else if (next.of.status === "completed") where.set(next.of.vm, next.of.target);
  }
  return ordered;
}

function bothEvents(of: Logged): LogEvent[] {
  const begin = { atMs: Date.parse(of.heldFrom), is: "begin", of } as const;
  if (of.endedAt === undefined) return [begin];
  return [begin, { atMs: Date.parse(of.endedAt), is: "end", of }];
}

/**
 * Replays the log: no slot and no memory is overshot, each guest moves from where it is, one migration
 * at a time, and nothing is left over. A migration takes its slots, and memory on its target beside
 * that of its source, when it is admitted, and gives them back when it has ended.
 *
 * @returns what is wrong
 */
export function faultsIn(log: readonly Logged[], { places, slots, room }: CheckedFleet): string[] {
  const found: string[] = [];
  const guests = new Map<string, number>();
  const addGuest = (host: string, count: number) => {
    const now = (guests.get(host) ?? 0) + count;
    guests.set(host, now);
    return now;
  };
  for (const host of places.values()) addGuest(host, 1);
  const where = new Map(places);
  const held = new Map<string, number>();
  const moving = new Set<string>();
  for (const { is, of } of eventsOf(log, places)) {
    const { id, vm, source, target } = of;
    for (const slot of [`${source} out`, `${target} in`]) {
      const count = (held.get(slot) ?? 0) + (is === "begin" ? 1 : -1);
      held.set(slot, count);
      if (count > slots) found.push(`${id}: ${count} slots of ${slot}, there are ${slots}`);
    }
    if (is === "begin") {
      const here = addGuest(target, 1);
      if (here > room) found.push(`${id}: ${target} has ${here} guests, and room for ${room}`);
      if (moving.has(vm)) found.push(`${id}: ${vm} is in two migrations`);
      if (where.get(vm) !== source)
        found.push(`${id}: ${vm} is on ${where.get(vm)}, not ${source}`);
      moving.add(vm);
    } else {
      moving.delete(vm);
      addGuest(of.status === "completed" ? source : target, -1);
      if (of.status === "completed") where.set(vm, target);
      // The guest has ended by itself.
      else if (of.endState?.host === source && of.endState.state !== "running") {
        addGuest(source, -1);
        where.delete(vm);
      } else if (of.runningOn !== source) found.push(`${id}: ${vm} runs on ${of.runningOn}`);
    }
  }
  for (const vm of moving) found.push(`${vm} is still moving`);
  return found;
}
