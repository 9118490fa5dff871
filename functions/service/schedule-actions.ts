import { randomBytes } from "node:crypto";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { ScheduleId, ulid } from "../../core/id.ts";
import {
  currentOccurrence,
  occurrenceAt,
  occurrenceView,
  type ScheduleTimes,
} from "../../core/schedule/occurrences.ts";
import {
  SCHEDULES_MAX,
  type Schedule,
  type ScheduleChange,
  ScheduleRequest,
} from "../../core/schedule/schedule.ts";
import { invalid } from "../http/invalid.ts";
import { Problem } from "../http/problem.ts";
import { readCalendar } from "../store/change-freezes.ts";
import { findEvacuation } from "../store/evacuations.ts";
import type { Page } from "../store/page.ts";
import {
  changeSchedule,
  createSchedule,
  findSchedule,
  listRuns,
  listSchedules,
  removeSchedule,
  type StoredSchedule,
} from "../store/schedules.ts";
import {
  armSchedule,
  createEngineSchedule,
  deleteEngineSchedule,
  nextStartOf,
} from "./arm-schedule.ts";
import type { By } from "./evacuation-actions.ts";
import { renewTimes } from "./keep-times.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { judge, nextViews, requireFit } from "./preview-schedule.ts";

const PAGE_MAX = 100;
/** Windows ahead, and windows that were opened, which a schedule is shown with. */
const NEXT_SHOWN = 5;
const RUNS_SHOWN = 10;
const TRIES_MAX = 10;

export function newScheduleId(): ScheduleId {
  return ScheduleId.parse(`sch_${ulid(Date.now(), randomBytes(10))}`);
}

/**
 * A schedule whose window could not hold what it would empty now is refused. A window that is open
 * already is not entered: the first one is the next.
 *
 * @throws Problem plan-refused, too-many-schedules, fleet-too-large, scheduler-unavailable
 */
export async function makeSchedule(request: ScheduleRequest): Promise<StoredSchedule> {
  requireFit((await judge(request, request.durationMs)).fit);
  if ((await listAllSchedules()).length >= SCHEDULES_MAX) {
    const detail = `There are ${SCHEDULES_MAX} schedules already: delete one that is over`;
    throw new Problem("too-many-schedules", detail);
  }
  const at = new Date().toISOString();
  const id = newScheduleId();
  const made = { ...request, id, handledAt: at, revision: 1, createdAt: at, updatedAt: at };
  const armedFor = nextStartOf(made);
  if (armedFor !== undefined) {
    await orUnavailable("scheduler-unavailable", () => createEngineSchedule(id, armedFor));
  }
  const stored = { ...made, ...(armedFor === undefined ? {} : { armedFor }) };
  await createSchedule(stored);
  return stored;
}

/** @throws Problem schedule-not-found */
export async function requireSchedule(id: ScheduleId): Promise<StoredSchedule> {
  const found = await findSchedule(id);
  if (found !== undefined) return found;
  throw new Problem("schedule-not-found", `There is no schedule ${id}`);
}

/**
 * Holds from now on, for the window that is open, too: an evacuation in it ends its starts by the new
 * times.
 *
 * @throws Problem schedule-not-found, invalid, plan-refused, fleet-too-large, scheduler-unavailable
 */
export async function editSchedule(
  id: ScheduleId,
  { approval, notice, ...change }: ScheduleChange,
): Promise<StoredSchedule> {
  return editStored(id, async (before) => {
    const merged = requestOf({
      ...before,
      ...change,
      approval: approval === null ? undefined : (approval ?? before.approval),
      notice: notice === null ? undefined : (notice ?? before.notice),
    });
    if (Object.keys(change).some((name) => name !== "name")) {
      requireFit((await judge(merged, merged.durationMs)).fit);
    }
    // Windows of the new times that lie in the past were not missed.
    const handled =
      change.starts === undefined
        ? {}
        : { handledAt: new Date().toISOString(), skipped: stillSkipped(before, merged) };
    return { ...merged, approval: merged.approval, notice: merged.notice, ...handled };
  });
}

/** What is skipped of the new times. */
function stillSkipped({ skipped = [] }: StoredSchedule, times: ScheduleTimes) {
  const left = skipped.filter(
    ({ startsAt }) => occurrenceAt(times, Date.parse(startsAt)) !== undefined,
  );
  return left.length === 0 ? undefined : left;
}

/** @throws Problem invalid */
function requestOf(fields: Readonly<Record<string, unknown>>): ScheduleRequest {
  const names = Object.keys(ScheduleRequest.shape);
  const given = Object.fromEntries(names.map((name) => [name, fields[name]]));
  const parsed = ScheduleRequest.safeParse(given);
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error.issues, given);
}

/**
 * No window opens from now on. What is under way in the window that is open goes on in it.
 *
 * @throws Problem schedule-not-found, scheduler-unavailable
 */
export function pauseSchedule(id: ScheduleId, { author, message }: By): Promise<StoredSchedule> {
  return editStored(id, async ({ paused }) => {
    if (paused !== undefined) return undefined;
    const since = new Date().toISOString();
    return { paused: { author, since, ...(message === undefined ? {} : { message }) } };
  });
}

/**
 * Windows open again, from the next one on; those meanwhile were not missed.
 *
 * @throws Problem schedule-not-found, scheduler-unavailable
 */
export function resumeSchedule(id: ScheduleId): Promise<StoredSchedule> {
  return editStored(id, async ({ paused }) =>
    paused === undefined ? undefined : { paused: undefined, handledAt: new Date().toISOString() },
  );
}

/** @throws Problem schedule-not-found, schedule-in-use, scheduler-unavailable */
export async function deleteSchedule(id: ScheduleId): Promise<void> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await requireSchedule(id);
    const { evacuation, armedFor } = before;
    const last = evacuation === undefined ? undefined : await findEvacuation(evacuation);
    if (last !== undefined && !isFinalEvacuation(last.status)) {
      const detail = `Its evacuation ${last.id} has not ended: cancel or reject that first`;
      throw new Problem("schedule-in-use", detail, { evacuation: last.id });
    }
    if (!(await removeSchedule(before))) continue;
    if (armedFor !== undefined) {
      await orUnavailable("scheduler-unavailable", () => deleteEngineSchedule(id, armedFor));
    }
    return;
  }
  throw new Problem("schedule-changed", `Other requests are changing ${id}: try again`);
}

type Fields = Parameters<typeof changeSchedule>[1];

/** Writes a change, then what follows from it: the engine's next start, and the open evacuation's times. */
export async function editStored(
  id: ScheduleId,
  change: (before: StoredSchedule) => Promise<Fields | undefined>,
): Promise<StoredSchedule> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await requireSchedule(id);
    const fields = await change(before);
    if (fields !== undefined) {
      const updatedAt = new Date().toISOString();
      if ((await changeSchedule(before, { ...fields, updatedAt })) === undefined) continue;
    }
    const armed = await orUnavailable("scheduler-unavailable", () => armSchedule(id));
    if (armed?.evacuation !== undefined) await renewTimesOf(armed.evacuation);
    return requireSchedule(id);
  }
  throw new Problem("schedule-changed", `Other requests are changing ${id}: try again`);
}

/** An evacuation that the table has removed needs no times. */
async function renewTimesOf(id: NonNullable<StoredSchedule["evacuation"]>): Promise<void> {
  if ((await findEvacuation(id)) !== undefined) await renewTimes(id);
}

/** All schedules: there are not many. */
export async function listAllSchedules(): Promise<StoredSchedule[]> {
  const found: StoredSchedule[] = [];
  let after: string | undefined;
  do {
    const page = await listSchedules({ limit: PAGE_MAX, after });
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** A page of schedules, without the windows that were opened. */
export async function showSchedules(page: Page) {
  const [{ items, ...rest }, { freezes }] = await Promise.all([
    listSchedules(page),
    readCalendar(),
  ]);
  return { ...rest, items: items.map((one) => viewOf(one, freezes)) };
}

export async function showSchedule(schedule: StoredSchedule): Promise<Schedule> {
  const [runs, { freezes }] = await Promise.all([
    listRuns(schedule.id, RUNS_SHOWN),
    readCalendar(),
  ]);
  return { ...viewOf(schedule, freezes), runs };
}

function viewOf(
  stored: StoredSchedule,
  calendar: Awaited<ReturnType<typeof readCalendar>>["freezes"],
): Schedule {
  const { handledAt: _, armedFor: __, revision: ___, ...shown } = stored;
  const { id, paused, skipped = [] } = shown;
  const nowMs = Date.now();
  const current = currentOccurrence(shown, nowMs);
  const toCome = skipped.filter(({ startsAt }) => Date.parse(startsAt) > nowMs);
  return {
    ...shown,
    skipped: toCome.length === 0 ? undefined : toCome,
    ...(current === undefined ? {} : { current: occurrenceView(id, current, calendar) }),
    next: paused === undefined ? nextViews(id, shown, { calendar, count: NEXT_SHOWN }) : [],
  };
}
