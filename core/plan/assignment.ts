import type { Guest, Guests } from "./guest.ts";
import type { HostTable } from "./host-table.ts";
import type { Move } from "./move.ts";
import type { Occupancy } from "./occupancy.ts";
import type { PlanOptions } from "./options.ts";

export type AssignInput = {
  readonly table: HostTable;
  readonly options: PlanOptions;
  readonly guests: Guests;
  readonly occupancy: Occupancy;
  /** Guests that may move, by the host that is to be emptied. */
  readonly going: ReadonlyMap<number, readonly Guest[]>;
  /** Hosts of which a guest remains whatever the plan is. */
  readonly keeping: ReadonlySet<number>;
  /** The last word on a placement, for N+1. */
  readonly accept?: () => boolean;
};

/** Where each guest goes and in which order the hosts are emptied. */
export type Assignment = {
  readonly order: readonly number[];
  readonly moves: readonly Move[];
  readonly unplaced: readonly Guest[];
  /** Hosts of which a guest remains. */
  readonly keeping: ReadonlySet<number>;
  /** Hosts that are emptied and take guests again. */
  readonly returning: ReadonlySet<number>;
};

export function isTarget(table: HostTable, host: number): boolean {
  return table.row(host).blockers.length === 0;
}
