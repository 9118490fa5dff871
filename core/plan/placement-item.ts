import type { Guest } from "./guest.ts";
import type { PlaceContext } from "./place-context.ts";

/** What is placed as one: a guest, or guests that must be on one host together. */
export type Item = {
  readonly guests: readonly Guest[];
  readonly bytes: number;
  /** Hosts that may take all of them and are open. */
  readonly candidates: readonly number[];
  /** Time that they keep a slot in busy, ms. */
  readonly slotMs: number;
  /** 1: placed before the others, as few hosts can take it. */
  readonly rank: number;
  readonly order: number;
  readonly hasWishes: boolean;
};

/** Of the open hosts, a guest that fewer than this share may take is picky. */
const PICKY_SHARE = 0.25;
/** A guest that needs more than this share of the largest room is a giant. */
const GIANT_SHARE = 0.5;

export function bundle(guests: readonly Guest[], context: PlaceContext): Item[] {
  const { table, occupancy, isOpen } = context;
  const open = [...table.rows.keys()].filter(isOpen);
  const largest = open.reduce((most, host) => Math.max(most, occupancy.room(host)), 0);
  const known = new Map<readonly number[], number[]>();
  const openOf = (candidates: readonly number[]) => {
    const found = known.get(candidates) ?? candidates.filter(isOpen);
    known.set(candidates, found);
    return found;
  };
  return bundles(guests).map((members, order) => {
    const candidates = members
      .map((guest) => openOf(guest.candidates))
      .reduce((common, some) => common.filter((host) => some.includes(host)));
    const bytes = members.reduce((sum, { vm }) => sum + vm.memoryBytes, 0);
    const isPicky =
      members.some(({ isPlain }) => !isPlain) || candidates.length < PICKY_SHARE * open.length;
    return {
      guests: members,
      bytes,
      candidates,
      slotMs: members.reduce((sum, guest) => sum + slotMs(guest, candidates[0], context), 0),
      rank: isPicky || bytes > GIANT_SHARE * largest ? 1 : 0,
      order,
      hasWishes: members.some(({ hasWishes }) => hasWishes),
    };
  });
}

function slotMs(guest: Guest, host: number | undefined, { table }: PlaceContext): number {
  return host === undefined ? 0 : guest.estimate(table.rate(guest.source, host)).slotMs;
}

/** Guests that share a required group `together`, directly or by others, are one bundle. */
function bundles(guests: readonly Guest[]): Guest[][] {
  const byGroup = new Map<string, Guest[]>();
  const all = new Set<Guest[]>();
  for (const guest of guests) {
    const joined = [guest];
    for (const group of guest.together) {
      const others = byGroup.get(group);
      if (others === undefined || !all.delete(others)) continue;
      joined.unshift(...others);
    }
    all.add(joined);
    for (const member of joined) for (const group of member.together) byGroup.set(group, joined);
  }
  return [...all];
}
