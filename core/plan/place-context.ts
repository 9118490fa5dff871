import type { HostTable } from "./host-table.ts";
import type { Occupancy } from "./occupancy.ts";

/** What placing needs to know of the fleet at one point of a plan. */
export type PlaceContext = {
  readonly table: HostTable;
  /** With every guest where it is then; changed by placing. */
  readonly occupancy: Occupancy;
  /** Whether a host may take guests now. */
  readonly isOpen: (host: number) => boolean;
  /** Whether a host's guests are all still to go. */
  readonly isGoing: (host: number) => boolean;
  /** Time that each host's slots in are busy with what is placed already, ms. */
  readonly loads: Float64Array;
  /** Do without the long searches, as the same question is asked many times. */
  readonly isQuick?: boolean;
  /** Has the last word on a placement, e.g. for N+1. */
  readonly accept?: () => boolean;
};
