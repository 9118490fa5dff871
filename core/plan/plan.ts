import type { Blocker } from "../negotiate/agreement.ts";
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
    bound: lowerBound(assignment.moves, executionInput(draft)),
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
  const leftGroups = new Map<string, readonly Blocker[]>();
  // Each turn takes a gate group out of the plan, so there are no more turns than groups.
  for (;;) {
    const draft = draftWithout(leftGroups, snapshot, options);
    const left = draft.assignment.unplaced.find(({ vm }) => vm.gateGroup !== undefined)?.vm;
    if (left?.gateGroup === undefined) return draft;
    const blocker = {
      code: "gate-group",
      message: `The gate group ${left.gateGroup} moves as a whole, and ${left.id} finds no place with it`,
      cure: `Make room for ${left.id}, or take it out of the group`,
    };
    leftGroups.set(left.gateGroup, [blocker]);
  }
}

function draftWithout(
  leftGroups: ReadonlyMap<string, readonly Blocker[]>,
  snapshot: FleetSnapshot,
  options: PlanOptions,
): Draft {
  const fleet = fleetOf(snapshot, options, leftGroups);
  const hosts = hostsAfter(fleet, options);
  const nPlusOne = () => checkNPlusOne({ ...fleet, ...hosts });
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

/** Which hosts take guests, and which could fail, when the plan has been carried out. */
function hostsAfter({ table }: Fleet, { returnAfterMs }: PlanOptions) {
  const staying = [...table.rows.keys()].filter(
    (host) => !(table.row(host).isEmptied && returnAfterMs === undefined),
  );
  return {
    places: staying.filter((host) => table.row(host).blockers.length === 0),
    losable: staying.filter((host) => table.row(host).host.state === "active"),
  };
}
