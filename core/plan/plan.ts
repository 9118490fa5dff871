import { assign } from "./assign.ts";
import type { Assignment } from "./assignment.ts";
import { etaBand } from "./eta.ts";
import { Explainer } from "./explain.ts";
import { type Fleet, fleetOf } from "./fleet.ts";
import { improve } from "./improve.ts";
import { lowerBound } from "./lower-bound.ts";
import { checkNPlusOne } from "./n-plus-one.ts";
import type { PlanOptions } from "./options.ts";
import type { Plan } from "./plan-result.ts";
import { reportPlan } from "./report.ts";
import type { FleetSnapshot } from "./snapshot.ts";

/**
 * Plans an evacuation: where each guest of the hosts to be emptied goes, in which order and when; or
 * why it cannot go. Pure: the same snapshot and options give the same plan.
 *
 * @throws RangeError when a host to be emptied is not in the snapshot.
 */
export function planEvacuation(snapshot: FleetSnapshot, options: PlanOptions): Plan {
  const fleet = fleetOf(snapshot, options);
  const { table, going, immovable, held } = fleet;
  const remaining = new Set(immovable.map(({ source }) => source));
  const hosts = hostsAfter(fleet, options);
  const nPlusOne = () => checkNPlusOne({ ...fleet, hosts });
  const assignment = assign({
    table,
    options,
    guests: fleet.guests,
    occupancy: fleet.occupancy,
    going,
    keeping: remaining,
    ...(options.keepNPlusOne ? { accept: () => nPlusOne().isKept } : {}),
  });
  const { order, keeping } = assignment;
  const input = { table, options, order, keeping, held };
  const improved = improve({ ...input, moves: assignment.moves }, fleet);
  const bound = lowerBound(improved.moves, input);
  const band = etaBand({ ...input, moves: improved.moves }, improved.schedule);
  const safety = options.keepNPlusOne ? nPlusOne() : undefined;
  const final: Assignment = { ...assignment, moves: improved.moves };
  const explainer = new Explainer(fleet, { ...final, keepNPlusOne: options.keepNPlusOne });
  return reportPlan({
    fleet,
    options,
    assignment: final,
    schedule: improved.schedule,
    bound,
    band,
    nPlusOne: safety,
    explainer,
  });
}

/** Hosts that hold guests when the plan has been carried out. */
function hostsAfter({ table }: Fleet, { returnAfterMs }: PlanOptions): number[] {
  return [...table.rows.keys()].filter((host) => {
    const { blockers, isEmptied } = table.row(host);
    return blockers.length === 0 && !(isEmptied && returnAfterMs === undefined);
  });
}
