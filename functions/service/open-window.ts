import { createHash } from "node:crypto";
import { TableBusy } from "../../core/errors.ts";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { ApprovalRule } from "../../core/evacuation/request.ts";
import { EvacuationId, type HostId, type ScheduleId, ulid } from "../../core/id.ts";
import { observationsOfMissed, observationsOfWindow } from "../../core/observations.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { openSpans } from "../../core/schedule/change-freeze.ts";
import {
  currentOccurrence,
  missedOccurrences,
  type Occurrence,
  occurrenceAt,
  occurrenceKey,
} from "../../core/schedule/occurrences.ts";
import type { MissedWindows, OccurrenceRun } from "../../core/schedule/schedule.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../runtime/log.ts";
import { readCalendar } from "../store/change-freezes.ts";
import { createEvacuation, findEvacuation, type StoredEvacuation } from "../store/evacuations.ts";
import {
  changeSchedule,
  countDelivery,
  findSchedule,
  recordRun,
  type StoredSchedule,
} from "../store/schedules.ts";
import { armSchedule } from "./arm-schedule.ts";
import { requireWithinBlastRadius } from "./blast-radius.ts";
import { count } from "./count-observations.ts";
import { evacuationExecutionArn, startEvacuationExecution } from "./evacuation-executions.ts";
import { renewTimes, timesNow } from "./keep-times.ts";
import { planFleet } from "./plan-fleet.ts";
import { judge } from "./preview-schedule.ts";
import { newEvacuation, writeFirstVersion } from "./request-evacuation.ts";

/** So long before its start an occurrence may be delivered: clocks differ. */
const EARLY_MS_MAX = 60_000;
const TRIES_MAX = 10;
const REASON_MAX = 1_000;

/** What became of the delivery of a start. */
export type OpenedWindow =
  /** `deliveries` above 1: it was opened before, and nothing was done. */
  | OccurrenceRun
  /** Nothing was done: the schedule is gone or paused, or has no window that this start could open. */
  | { readonly outcome: "removed" | "paused" | "outdated" };

/**
 * Opens the window whose start was delivered, or the one that is open now if that was missed. However
 * often a start is delivered, by whomever, and wherever a delivery died: an occurrence has one
 * evacuation, whose id follows from the schedule and the start.
 */
export async function openWindow(id: ScheduleId, startsAt: string): Promise<OpenedWindow> {
  const schedule = await findSchedule(id);
  if (schedule === undefined) return { outcome: "removed" };
  if (schedule.paused !== undefined) return { outcome: "paused" };
  const due = dueOccurrence(schedule, Date.parse(startsAt));
  const run = due === undefined ? undefined : await open(schedule, due);
  await settle(id, run);
  await armSchedule(id);
  const opened = run ?? { outcome: "outdated" as const };
  log().info({ schedule: id, startsAt, opened }, "the start of a window was delivered");
  return opened;
}

/** The occurrence of this start, or the open one if nobody has handled it; undefined: there is none. */
function dueOccurrence(schedule: StoredSchedule, startMs: number): Occurrence | undefined {
  const nowMs = Date.now();
  const delivered = occurrenceAt(schedule, startMs);
  if (delivered !== undefined && startMs <= nowMs + EARLY_MS_MAX && nowMs < delivered.endMs) {
    return delivered;
  }
  return unhandledWindow(schedule);
}

/** The window that is open and that nobody has opened. */
export function unhandledWindow(schedule: StoredSchedule): Occurrence | undefined {
  const current = currentOccurrence(schedule, Date.now());
  const isHandled = current === undefined || current.startMs <= Date.parse(schedule.handledAt);
  return isHandled ? undefined : current;
}

async function open(schedule: StoredSchedule, due: Occurrence): Promise<OccurrenceRun> {
  const { id } = schedule;
  const startsAt = new Date(due.startMs).toISOString();
  const known = await countDelivery(id, startsAt);
  if (known !== undefined) return known;
  const lateMs = Math.max(0, Date.now() - due.startMs);
  const found = await begin(schedule, due);
  const made = { startsAt, lateMs, deliveries: 1, ...found };
  const recorded = await recordRun(id, made);
  if (recorded === made) await count(observationsOfWindow(made), id);
  return recorded;
}

type Begun = Pick<OccurrenceRun, "outcome" | "evacuation" | "reason">;

async function begin(schedule: StoredSchedule, due: Occurrence): Promise<Begun> {
  const key = occurrenceKey(schedule.id, due.startMs);
  const random = createHash("sha256").update(key).digest();
  const id = EvacuationId.parse(`evac_${ulid(due.startMs, random)}`);
  // A delivery may have died after it had written the evacuation.
  const known = await findEvacuation(id);
  if (known !== undefined) return begun(known);
  const { evacuation: lastId } = schedule;
  const last = lastId === undefined ? undefined : await findEvacuation(lastId);
  if (last !== undefined && !isFinalEvacuation(last.status)) {
    await renewTimes(last.id);
    const reason = `${last.id} of an earlier window has not ended, and goes on`;
    return { outcome: "continued", evacuation: last.id, reason };
  }
  const { freezes } = await readCalendar();
  const windowMs = openSpans(due, freezes).reduce((sum, one) => sum + one.endMs - one.startMs, 0);
  if (windowMs === 0) return { outcome: "refused", reason: "A change freeze holds all of it" };
  const { hosts, skipped, plan, fit } = await judge(schedule, windowMs);
  if (plan === undefined) {
    const reasons = skipped.map(({ host, reason }) => `${host}: ${reason}`).join("; ");
    return { outcome: "nothing-to-do", reason: text(`No host needs it now. ${reasons}`) };
  }
  const [refusal] = fit.refusals;
  if (refusal !== undefined) {
    return { outcome: "refused", reason: text(`${refusal.message}. ${refusal.cure}`) };
  }
  const overCap = schedule.isCapped === true ? await blastRadiusOf(hosts) : undefined;
  if (overCap !== undefined) return { outcome: "refused", reason: text(overCap) };
  const openTimes = await timesNow(schedule.id);
  const made = await planFleet({ ...schedule, openTimes }, hosts);
  const [impossible] = made.refusals;
  if (impossible !== undefined) {
    const isEmpty = made.unplaced.length === 0 && made.moves.length === 0;
    const outcome = isEmpty ? "nothing-to-do" : "refused";
    return { outcome, reason: text(`${impossible.message}. ${impossible.cure}`) };
  }
  const evacuation = await create(id, schedule, { due, plan: made, openTimes });
  const { outcome } = await begun(evacuation);
  const reason = text(fit.warnings.join("; "));
  return { outcome, evacuation: id, ...(reason === "" ? {} : { reason }) };
}

/** Why these hosts may not be emptied together now by somebody with a cap. */
async function blastRadiusOf(hosts: readonly HostId[]): Promise<string | undefined> {
  try {
    await requireWithinBlastRadius(hosts);
    return undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === "blast-radius") {
      return `Whoever changed this schedule last does not have the scope admin. ${error.message}`;
    }
    throw error;
  }
}

type Planned = { due: Occurrence; plan: Plan; openTimes: StoredEvacuation["openTimes"] };

/** Its author approves the plan, unless the schedule asks for other persons. */
async function create(
  id: EvacuationId,
  schedule: StoredSchedule,
  { due, plan, openTimes }: Planned,
): Promise<StoredEvacuation> {
  const { approval = ApprovalRule.parse({}), by } = schedule;
  const planned = newEvacuation(
    id,
    { ...schedule, approval },
    {
      plan,
      bodyHash: "",
      nowMs: Date.now(),
      openTimes,
      schedule: { id: schedule.id, startsAt: new Date(due.startMs).toISOString() },
    },
  );
  await writeFirstVersion(planned, plan);
  const approved = {
    status: "approved" as const,
    approvals: [{ by, version: 1, at: planned.createdAt }],
    approvedVersion: 1,
    consentedVersion: 1,
    generation: 1,
    executionArn: evacuationExecutionArn({ id, generation: 1 }),
  };
  const made = schedule.approval === undefined ? { ...planned, ...approved } : planned;
  if (await createEvacuation(made)) return made;
  const first = await findEvacuation(id);
  if (first === undefined) throw new Error(`Expected evacuation ${id} to exist`);
  return first;
}

/** Its workflow runs, however often this is called. */
async function begun(evacuation: StoredEvacuation): Promise<Begun> {
  const { id, status } = evacuation;
  if (status === "planned") return { outcome: "planned", evacuation: id };
  if (status === "approved") await startEvacuationExecution(evacuation);
  return { outcome: "started", evacuation: id };
}

/** Windows up to now are done with: this one was opened, and those that are over were missed. */
export async function settle(id: ScheduleId, run: OccurrenceRun | undefined): Promise<void> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await findSchedule(id);
    if (before === undefined) return;
    const handledMs = Date.parse(before.handledAt);
    const missed = missedOccurrences(before, { handledMs, nowMs: Date.now() });
    const runMs = run === undefined ? 0 : Date.parse(run.startsAt);
    const untilMs = Math.max(handledMs, runMs, missed?.lastMs ?? 0);
    const isSame =
      untilMs === handledMs && (run?.evacuation ?? before.evacuation) === before.evacuation;
    if (isSame) return;
    const written = await changeSchedule(before, {
      handledAt: new Date(untilMs).toISOString(),
      ...(run?.evacuation === undefined ? {} : { evacuation: run.evacuation }),
      ...(missed === undefined ? {} : { missed: withMissed(before.missed, missed) }),
    });
    if (written === undefined) continue;
    if (missed !== undefined) await count(observationsOfMissed(missed.count), id);
    return;
  }
  throw new TableBusy(`Failed to settle ${id}: its record keeps changing`);
}

function withMissed(
  before: MissedWindows | undefined,
  { firstMs, lastMs, count, isAtLeast }: NonNullable<ReturnType<typeof missedOccurrences>>,
): MissedWindows {
  return {
    first: before?.first ?? new Date(firstMs).toISOString(),
    last: new Date(lastMs).toISOString(),
    count: (before?.count ?? 0) + count,
    isAtLeast: isAtLeast || before?.isAtLeast === true,
  };
}

function text(reason: string): string {
  return reason.trim().slice(0, REASON_MAX);
}
