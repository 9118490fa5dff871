import * as z from "zod";
import { HostId, type VmId } from "../id.ts";
import type { Plan } from "../plan/plan-result.ts";
import type { Tolerance } from "./request.ts";

/** Why a version was made. */
export const VersionReason = z.enum([
  "requested",
  /** The fleet has changed since the version that somebody wanted to approve. */
  "fleet-changed",
  /** A VM needs another target: the one it had cannot take it, or a person wants another try. */
  "target-needed",
  /** A guest is on a host to be emptied that no version knows. */
  "vm-appeared",
  /** VMs that had no place have one now. */
  "room-appeared",
]);
export type VersionReason = z.infer<typeof VersionReason>;

/** What a later version is measured against. */
export const VersionOutline = z.strictObject({
  version: z.int().positive(),
  /** Predicted end, ms after the start of the evacuation. */
  endMs: z.number().nonnegative(),
  targets: z.array(HostId),
  moves: z.int().nonnegative(),
  unplaced: z.int().nonnegative(),
});
export type VersionOutline = z.infer<typeof VersionOutline>;

/** Versions of one plan: each is a whole plan in the table. */
export const VERSIONS_MAX = 50;

/** VMs that a message names. */
const NAMES_MAX = 5;

export function outlineOf(version: number, plan: Plan, elapsedMs = 0): VersionOutline {
  return {
    version,
    endMs: elapsedMs + plan.eta.ms,
    targets: [...new Set(plan.moves.map(({ target }) => target))].toSorted(),
    moves: plan.moves.length,
    unplaced: plan.unplaced.length,
  };
}

/** In what a version exceeds the tolerance around the one that persons approved, for people. */
export function beyondTolerance(
  consented: VersionOutline,
  made: VersionOutline,
  { endShare, newTargets, newRemainder }: Tolerance,
): string[] {
  const found: string[] = [];
  const latestMs = consented.endMs * (1 + endShare);
  if (made.endMs > latestMs) {
    found.push(
      `its end is predicted ${seconds(made.endMs - consented.endMs)} later, and ${seconds(latestMs - consented.endMs)} are allowed`,
    );
  }
  const added = made.targets.filter((host) => !consented.targets.includes(host));
  if (added.length > 0 && !newTargets) found.push(`new target hosts: ${names(added)}`);
  if (made.unplaced > consented.unplaced && !newRemainder) {
    found.push(`${made.unplaced - consented.unplaced} more VMs stay where they are`);
  }
  return found;
}

/** A VM and where a version sends it; undefined: nowhere. */
export type Placement = { readonly vm: VmId; readonly target?: HostId | undefined };

/** In what the placements of two versions differ, for people; empty: they are the same. */
export function placementChanges(
  before: readonly Placement[],
  after: readonly Placement[],
): string[] {
  const old = new Map<string, Placement>(before.map((one) => [one.vm, one]));
  const found: string[] = [];
  for (const { vm, target } of after) {
    const known = old.get(vm);
    old.delete(vm);
    if (known === undefined) found.push(`${vm} is new: ${target ?? "it stays"}`);
    else if (known.target !== target) {
      found.push(`${vm}: ${target ?? "unplaced"} in place of ${known.target ?? "staying"}`);
    }
  }
  for (const vm of old.keys()) found.push(`${vm} is gone`);
  return found;
}

export function placementsOf({ moves, unplaced }: Plan): Placement[] {
  // Of a VM that moves twice, the last place counts.
  const last = new Map<string, Placement>(moves.map(({ vm, target }) => [vm, { vm, target }]));
  for (const { vm } of unplaced) if (!last.has(vm)) last.set(vm, { vm });
  return [...last.values()];
}

export function names(list: readonly string[]): string {
  const more = list.length - NAMES_MAX;
  return `${list.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function seconds(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))} s`;
}
