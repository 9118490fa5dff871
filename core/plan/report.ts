import type { VmId } from "../id.ts";
import { isLearned } from "./estimate.ts";
import type { HostTable } from "./host-table.ts";
import { isAgain, isArriving } from "./move.ts";
import type { Faster, Plan, PlannedMove, UnplacedVm } from "./plan-result.ts";
import type { ReportInput } from "./report-input.ts";
import type { Timed } from "./schedule.ts";
import { assumptionsOf, inTime, refusalsOf, warningsOf, withText } from "./verdicts.ts";
import { fasterBy, termText } from "./wording.ts";

/** The plan as it is shown and kept. */
export function reportPlan(input: ReportInput): Plan {
  const { fleet, options, assignment, schedule, bound, band } = input;
  const unplaced = unplacedVms(input);
  const vms = new Set(assignment.moves.map(({ guest }) => guest.vm.id));
  const again = assignment.moves.filter((move) => isAgain(move));
  const secondMoves = [...new Set(again.map(({ guest }) => guest.vm.id))];
  const bottleneck = bound.terms[0];
  return {
    moves: schedule.moves.map((timed) => plannedMove(timed, fleet.table)),
    unplaced,
    beyondWindows: beyondWindows(input),
    explanations: input.explainer.explanations,
    hosts: hostsOf(input, unplaced),
    eta: band,
    bytes: assignment.moves.reduce((sum, { estimate }) => sum + estimate.bytes, 0),
    longestDowntimeMs: assignment.moves.reduce(
      (most, { estimate }) => Math.max(most, estimate.downtimeMs),
      0,
    ),
    lowerBoundMs: bound.ms,
    slotBoundMs: bound.withSlotsMs,
    ratio: bound.ms === 0 ? 1 : band.ms / bound.ms,
    movesPerVm: vms.size === 0 ? 1 : 1 + again.length / vms.size,
    secondMoves,
    ...(bottleneck === undefined
      ? {}
      : { bottleneck: { term: bottleneck, text: termText(bottleneck, fleet.table, options) } }),
    faster: [...preparing(input), ...fasterBy(bound, fleet.table, options)],
    memory: fleet.memory,
    ...(input.nPlusOne === undefined ? {} : { nPlusOne: withText(input.nPlusOne) }),
    inTime: inTime(bound, band, options),
    refusals: refusalsOf(input),
    warnings: warningsOf(input, beyondWindows(input)),
    assumptions: assumptionsOf(fleet, options),
    ...(options.errorBudget === undefined ? {} : { errorBudget: options.errorBudget }),
  };
}

function beyondWindows({ assignment, schedule }: ReportInput): VmId[] {
  const timed = new Set(schedule.moves.map(({ move }) => move));
  const left = assignment.moves.filter((move) => !timed.has(move));
  return [...new Set(left.map(({ guest }) => guest.vm.id))];
}

function preparing({ preparedAhead }: ReportInput): Faster[] {
  if (preparedAhead === undefined) return [];
  const { prepareAhead, etaMs } = preparedAhead;
  const change = `${prepareAhead} migrations of a host prepared ahead (prepareAhead), which hold more memory on the targets`;
  return [{ change, etaMs }];
}

export function plannedMove({ move, ...times }: Timed, table: HostTable): PlannedMove {
  const { guest, source, target, estimate, brokenWishes } = move;
  return {
    vm: guest.vm.id,
    source: table.row(source).host.id,
    target: table.row(target).host.id,
    ...times,
    bytes: estimate.bytes,
    bytesPerSecond: estimate.bytesPerSecond,
    downtimeMs: estimate.downtimeMs,
    converges: estimate.converges,
    isLearned: isLearned(guest.vm),
    isSecondMove: isAgain(move),
    isArriving: isArriving(move),
    brokenWishes,
  };
}

function unplacedVms({ fleet, assignment, explainer }: ReportInput): UnplacedVm[] {
  const { table, guests, immovable } = fleet;
  const byItself = immovable.map(({ vm, source, blockers }) => ({
    guest: guests.guestOf(vm, source),
    blockers,
  }));
  const withoutPlace = assignment.unplaced.map((guest) => ({ guest, blockers: [] }));
  return [...byItself, ...withoutPlace].map(({ guest, blockers }) => ({
    vm: guest.vm.id,
    host: table.row(guest.source).host.id,
    blockers,
    explanation: explainer.explain(guest, blockers.length > 0),
  }));
}

function hostsOf({ fleet, assignment, schedule }: ReportInput, unplaced: readonly UnplacedVm[]) {
  const moves = Map.groupBy(assignment.moves, ({ source }) => source);
  const without = Map.groupBy(unplaced, ({ host }) => host);
  return assignment.order.map((index) => {
    const { id } = fleet.table.row(index).host;
    const emptiedAtMs = schedule.emptiedAtMs.get(index);
    return {
      host: id,
      moves: moves.get(index)?.length ?? 0,
      unplaced: without.get(id)?.length ?? 0,
      ...(emptiedAtMs === undefined ? {} : { emptiedAtMs }),
    };
  });
}
