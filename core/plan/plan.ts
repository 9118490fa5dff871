import { assign } from "./assign.ts";
import { etaBand } from "./eta.ts";
import type { ExecutionInput } from "./execution.ts";
import { Explainer } from "./explain.ts";
import { type Fleet, fleetOf } from "./fleet.ts";
import { HostTable } from "./host-table.ts";
import { lowerBound } from "./lower-bound.ts";
import { checkNPlusOne } from "./n-plus-one.ts";
import type { PlanOptions } from "./options.ts";
import type { Plan } from "./plan-result.ts";
import { reportPlan } from "./report.ts";
import type { PreparedAhead, ReportInput } from "./report-input.ts";
import { schedule } from "./schedule.ts";
import type { FleetSnapshot } from "./snapshot.ts";
import { byUrgency } from "./urgency.ts";

/**
 * Plans an evacuation: where each guest of the hosts to be emptied goes, in which order and when; or
 * why it cannot go. Pure: the same snapshot and options give the same plan.
 *
 * @throws RangeError when a host to be emptied is not in the snapshot.
 */
export function planEvacuation(snapshot: FleetSnapshot, options: PlanOptions): Plan {
  const draft = draftPlan(snapshot, options);
  const { fleet, assignment } = draft;
  const { keepNPlusOne } = options;
  return reportPlan({
    ...draft,
    bound: lowerBound(assignment.moves, { ...assignment, table: fleet.table, options }),
    band: etaBand(executionInput(draft), draft.schedule),
    explainer: new Explainer(fleet, { ...assignment, keepNPlusOne }),
    preparedAhead: preparedAhead(draft, snapshot),
  });
}

/** Of larger plans it is not worth the time. */
const PREPARED_AHEAD_MOVES_MAX = 5_000;
/** Share by which the end must be earlier to be worth a word. */
const WORTH_SHARE = 0.02;

/** Twice as many migrations prepared ahead, if the plan is predicted to end earlier by that. */
function preparedAhead(draft: Draft, { hosts }: FleetSnapshot): PreparedAhead | undefined {
  const { assignment, fleet, schedule: planned } = draft;
  if (assignment.moves.length > PREPARED_AHEAD_MOVES_MAX) return undefined;
  const pools = assignment.order.map((host) => fleet.table.row(host).pool);
  const prepareAhead = 2 * pools.reduce((most, pool) => Math.max(most, pool), 1);
  const table = new HostTable(hosts, { ...draft.options, prepareAhead });
  const { endMs } = schedule({ ...executionInput(draft), table });
  return endMs < planned.endMs * (1 - WORTH_SHARE) ? { prepareAhead, etaMs: endMs } : undefined;
}

/** A plan with the planner's own objects, for whoever carries it out or simulates it. */
export type Draft = Pick<ReportInput, "fleet" | "options" | "assignment" | "schedule" | "nPlusOne">;

/** @throws RangeError when a host to be emptied is not in the snapshot. */
export function draftPlan(snapshot: FleetSnapshot, options: PlanOptions): Draft {
  const fleet = fleetOf(snapshot, options);
  const hosts = hostsAfter(fleet, options);
  const nPlusOne = () => checkNPlusOne({ ...fleet, hosts });
  const assigned = assign({
    ...fleet,
    options,
    keeping: new Set(fleet.immovable.map(({ source }) => source)),
    ...(options.keepNPlusOne ? { accept: () => nPlusOne().isKept } : {}),
  });
  const ordered = byUrgency({ ...assigned, options, table: fleet.table, held: fleet.held });
  return {
    fleet,
    options,
    assignment: { ...assigned, moves: ordered.moves },
    schedule: ordered.schedule,
    nPlusOne: options.keepNPlusOne ? nPlusOne() : undefined,
  };
}

export function executionInput({ fleet, options, assignment }: Draft): ExecutionInput {
  return { ...assignment, options, table: fleet.table, held: fleet.held };
}

/** Hosts that hold guests when the plan has been carried out. */
function hostsAfter({ table }: Fleet, { returnAfterMs }: PlanOptions): number[] {
  return [...table.rows.keys()].filter((host) => {
    const { blockers, isEmptied } = table.row(host);
    return blockers.length === 0 && !(isEmptied && returnAfterMs === undefined);
  });
}
