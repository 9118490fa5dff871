import { HOSTS_MAX } from "../../core/evacuation/request.ts";
import { names } from "../../core/evacuation/version.ts";
import type { ScheduleId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import type { FreezeCalendar } from "../../core/schedule/change-freeze.ts";
import {
  nextOccurrences,
  occurrenceView,
  type ScheduleTimes,
} from "../../core/schedule/occurrences.ts";
import type { SchedulePreview, ScheduleRequest } from "../../core/schedule/schedule.ts";
import { type WindowFit, windowFit } from "../../core/schedule/window-fit.ts";
import { Problem } from "../http/problem.ts";
import { readCalendar } from "../store/change-freezes.ts";
import { type Chosen, chooseHosts } from "./choose-hosts.ts";
import { planFleet } from "./plan-fleet.ts";

type Wanted = Pick<ScheduleRequest, "hosts" | "policy" | "options" | "spread">;

export type Judged = Chosen & {
  /** Absent: there is no host to empty. */
  readonly plan?: Plan;
  readonly fit: WindowFit;
};

/**
 * What a schedule would empty now, and whether that fits its window.
 *
 * @param windowMs the time in the window in which migrations may run
 *
 * @throws Problem fleet-too-large
 */
export async function judge(wanted: Wanted, windowMs: number): Promise<Judged> {
  const chosen = await chooseHosts(wanted.hosts);
  const hosts = chosen.hosts.slice(0, HOSTS_MAX);
  const more = chosen.hosts.slice(HOSTS_MAX);
  if (hosts.length === 0) {
    return { ...chosen, fit: { refusals: [], warnings: ["No host needs it now"] } };
  }
  const plan = await planFleet({ policy: wanted.policy, options: wanted.options }, hosts);
  const times = { lowerBoundMs: plan.lowerBoundMs, etaMs: plan.eta.ms };
  const { refusals, warnings } = windowFit(windowMs, times, wanted);
  const left =
    more.length === 0 ? [] : [`At most ${HOSTS_MAX} hosts at once: ${names(more)} are left out`];
  const all = [...warnings, ...left, ...plan.refusals.map(({ message }) => message)];
  return { hosts, skipped: chosen.skipped, plan, fit: { refusals, warnings: all } };
}

/**
 * What a schedule would do: its next windows, and what it would empty if it started now.
 *
 * @throws Problem plan-refused when no schedule of the moves could fit its window, fleet-too-large
 */
export async function previewSchedule(
  request: ScheduleRequest & ScheduleTimes,
  { id, count }: { id: ScheduleId; count: number },
): Promise<SchedulePreview> {
  const [{ freezes }, { hosts, skipped, plan, fit }] = await Promise.all([
    readCalendar(),
    judge(request, request.durationMs),
  ]);
  requireFit(fit);
  return {
    next: nextViews(id, request, { calendar: freezes, count }),
    hosts,
    skipped,
    moves: plan?.moves.length ?? 0,
    unplaced: plan?.unplaced.length ?? 0,
    lowerBoundMs: plan?.lowerBoundMs ?? 0,
    etaMs: plan?.eta.ms ?? 0,
    warnings: [...fit.warnings],
  };
}

export function requireFit({ refusals }: WindowFit): void {
  const [first] = refusals;
  if (first === undefined) return;
  throw new Problem("plan-refused", `${first.message}. ${first.cure}`, { blockers: refusals });
}

export function nextViews(
  id: ScheduleId,
  times: ScheduleTimes,
  { calendar, count }: { calendar: FreezeCalendar; count: number },
) {
  const next = nextOccurrences(times, Date.now(), count);
  return next.map((one) => occurrenceView(id, one, calendar));
}
