import type { Guests } from "./guest.ts";
import type { HostTable } from "./host-table.ts";
import type { Occupancy } from "./occupancy.ts";
import { place } from "./place.ts";
import type { PlanVm } from "./snapshot.ts";

/** Whether the fleet can lose any one host, and where that is the tightest. */
export type NPlusOne = {
  readonly isKept: boolean;
  /** The host whose loss is the hardest; undefined: no host has guests. */
  readonly host?: string;
  /** Its guest that is the hardest to place, and by how much memory, bytes. */
  readonly vm?: string;
  readonly needBytes?: number;
  /** The largest room that another host has for it; less than the need: the difference is missing. */
  readonly roomBytes?: number;
};

export type NPlusOneInput = {
  readonly table: HostTable;
  readonly guests: Guests;
  readonly vms: ReadonlyMap<string, PlanVm>;
  readonly occupancy: Occupancy;
  /** Hosts that take guests when the plan has been carried out. */
  readonly places: readonly number[];
  /** Hosts whose loss must be borne: a cordoned one can fail as well. */
  readonly losable: readonly number[];
};

/**
 * Places the guests of each host on the others, rules included: a sum of free memory says nothing,
 * as one large guest may fit nowhere. Memory that the options keep free is there for this.
 */
export function checkNPlusOne(input: NPlusOneInput): NPlusOne {
  let tightest: NPlusOne = { isKept: true };
  for (const lost of input.losable) {
    const found = loseHost(input, lost);
    if (found !== undefined && isTighter(found, tightest)) tightest = found;
  }
  return tightest;
}

function isTighter(one: NPlusOne, other: NPlusOne): boolean {
  if (one.isKept !== other.isKept) return !one.isKept;
  return spare(one) < spare(other);
}

function spare({ needBytes, roomBytes }: NPlusOne): number {
  if (needBytes === undefined || roomBytes === undefined) return Number.POSITIVE_INFINITY;
  return roomBytes - needBytes;
}

function loseHost(input: NPlusOneInput, lost: number): NPlusOne | undefined {
  const { table, guests, vms, occupancy, places } = input;
  const members = [...occupancy.guestsOn(lost)]
    .map((id) => vms.get(id))
    .filter((vm) => vm !== undefined)
    .map((vm) => guests.guestOf(vm, lost));
  if (members.length === 0) return undefined;
  const open = new Set(places.filter((host) => host !== lost));
  const roomOf = (candidates: readonly number[]) =>
    candidates
      .filter((host) => open.has(host))
      .reduce((most, host) => Math.max(most, occupancy.free[host] ?? 0), 0);
  const largest = members.reduce((one, other) =>
    other.vm.memoryBytes > one.vm.memoryBytes ? other : one,
  );
  const before = roomOf(largest.candidates);
  const kept = Float64Array.from(occupancy.keep);
  occupancy.keep.fill(0);
  for (const { vm } of members) occupancy.take(vm, lost);
  const { hosts: placed, unplaced } = place(members, {
    table,
    occupancy,
    isOpen: (host) => open.has(host),
    isGoing: (host) => table.row(host).isEmptied && !places.includes(host),
    loads: new Float64Array(table.rows.length),
    isQuick: true,
  });
  const [homeless] = unplaced;
  const roomLeft = homeless === undefined ? before : roomOf(homeless.candidates);
  for (const [{ vm }, host] of placed) occupancy.take(vm, host);
  for (const { vm } of members) occupancy.put(vm, lost);
  occupancy.keep.set(kept);
  const { vm } = homeless ?? largest;
  return {
    isKept: homeless === undefined,
    host: table.row(lost).host.id,
    vm: vm.id,
    needBytes: vm.memoryBytes,
    roomBytes: roomLeft,
  };
}
