import type { MoveEstimate } from "./estimate.ts";
import type { Guest } from "./guest.ts";
import type { HostTable } from "./host-table.ts";

/** One migration of a plan. Hosts are indexes into the host table. */
export type Move = {
  readonly guest: Guest;
  readonly source: number;
  readonly target: number;
  readonly estimate: MoveEstimate;
  /** The VM's earlier migration of this plan, which must have ended. */
  readonly after?: Move;
  /** All that must have ended before this one is prepared, `after` among them. */
  readonly needs: readonly Move[];
  /** The target is a host that must have been emptied and be back. */
  readonly needsReturn: boolean;
  readonly brokenWishes: readonly string[];
};

export function moveOf(
  guest: Guest,
  target: number,
  table: HostTable,
  rest: {
    after?: Move | undefined;
    needs?: readonly Move[];
    needsReturn?: boolean;
    brokenWishes?: readonly string[];
  } = {},
): Move {
  const { after, needs = [] } = rest;
  return {
    guest,
    source: guest.source,
    target,
    estimate: guest.estimate(table.rate(guest.source, target)),
    ...(after === undefined ? {} : { after }),
    needs: after === undefined ? needs : [after, ...needs],
    needsReturn: rest.needsReturn ?? false,
    brokenWishes: rest.brokenWishes ?? [],
  };
}

/** Its VM comes to its source by a migration that is in flight when the plan begins. */
export function isArriving({ guest, after }: Move): boolean {
  return guest.vm.inFlight !== undefined && after === undefined;
}

/** It is not the first migration of its VM. */
export function isAgain(move: Move): boolean {
  return move.after !== undefined || isArriving(move);
}
