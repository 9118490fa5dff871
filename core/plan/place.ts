import type { Guest } from "./guest.ts";
import type { PlaceContext } from "./place-context.ts";
import { bundle, type Item } from "./placement-item.ts";
import { Rearranger } from "./rearrange.ts";

export type Placed = {
  /** Host of each guest that has one. */
  readonly hosts: ReadonlyMap<Guest, number>;
  readonly unplaced: readonly Guest[];
};

type Strategy = {
  readonly compare: (one: Item, other: Item) => number;
  /** Lower is better. */
  readonly score: (item: Item, host: number, context: PlaceContext) => number;
};

const byTime = (one: Item, other: Item) =>
  other.rank - one.rank || other.slotMs - one.slotMs || one.order - other.order;
const byMemory = (one: Item, other: Item) =>
  other.bytes - one.bytes || other.slotMs - one.slotMs || one.order - other.order;

const strategies: readonly Strategy[] = [
  { compare: byTime, score: busyUntil },
  { compare: byMemory, score: (item, host, { occupancy }) => occupancy.room(host) - item.bytes },
  { compare: byMemory, score: busyUntil },
];

/**
 * Gives each guest a host: first the picky and the giant ones, then the longest migration first, each
 * to the host whose slots are free the soonest. What finds no room that way is placed by packing
 * tightly, by moving what is placed already, and at last by trying all placements of a small fleet.
 * The occupancy holds the result.
 */
export function place(guests: readonly Guest[], context: PlaceContext): Placed {
  const all = bundle(guests, context);
  const items = all.filter(({ candidates }) => candidates.length > 0);
  const accept = context.accept ?? (() => true);
  let best: Map<Item, number> | undefined;
  for (const strategy of context.isQuick ? strategies.slice(0, 2) : strategies) {
    const result = new Rearranger(items, context);
    greedy(result, items, strategy);
    result.placeTheRest();
    const isAccepted = accept();
    if (result.isComplete && isAccepted) return placedOf(all, result.hosts);
    if (isAccepted && (best === undefined || isBetter(result.hosts, best))) {
      best = new Map(result.hosts);
    }
    result.undo();
  }
  const search = new Rearranger(items, context);
  if (!context.isQuick && search.tryAll(accept)) return placedOf(all, search.hosts);
  for (const [item, host] of best ?? []) search.put(item, host);
  return placedOf(all, search.hosts);
}

function greedy(result: Rearranger, items: readonly Item[], { compare, score }: Strategy): void {
  const { context } = result;
  for (const item of items.toSorted(compare)) {
    const planned = item.guests[0]?.planned;
    if (planned !== undefined && item.candidates.includes(planned) && result.fits(item, planned)) {
      result.put(item, planned);
      continue;
    }
    let found = -1;
    let least = Number.POSITIVE_INFINITY;
    let leastBroken = Number.POSITIVE_INFINITY;
    for (const host of item.candidates) {
      if (!result.fits(item, host)) continue;
      const broken = item.hasWishes ? brokenWishes(item, host, context) : 0;
      if (broken > leastBroken) continue;
      const value = score(item, host, context);
      if (broken === leastBroken && value >= least) continue;
      found = host;
      least = value;
      leastBroken = broken;
    }
    if (found >= 0) result.put(item, found);
  }
}

function busyUntil(item: Item, host: number, { loads, table }: PlaceContext): number {
  return ((loads[host] ?? 0) + item.slotMs) / table.row(host).in.slots;
}

function brokenWishes(item: Item, host: number, { occupancy, table }: PlaceContext): number {
  return item.guests.reduce(
    (sum, guest) => sum + occupancy.brokenWishes(guest, host, table).length,
    0,
  );
}

function isBetter(one: ReadonlyMap<Item, number>, other: ReadonlyMap<Item, number>): boolean {
  const count = (hosts: ReadonlyMap<Item, number>) =>
    [...hosts.keys()].reduce((sum, { guests }) => sum + guests.length, 0);
  const bytes = (hosts: ReadonlyMap<Item, number>) =>
    [...hosts.keys()].reduce((sum, item) => sum + item.bytes, 0);
  return count(one) > count(other) || (count(one) === count(other) && bytes(one) > bytes(other));
}

function placedOf(items: readonly Item[], hosts: ReadonlyMap<Item, number>): Placed {
  const placed = new Map<Guest, number>();
  const unplaced: Guest[] = [];
  for (const item of items) {
    const host = hosts.get(item);
    for (const guest of item.guests) {
      if (host === undefined) unplaced.push(guest);
      else placed.set(guest, host);
    }
  }
  return { hosts: placed, unplaced };
}
