import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import type { HostId, ScheduleId } from "../../core/id.ts";
import { openSpans } from "../../core/schedule/change-freeze.ts";
import { currentOccurrence, occurrenceAt } from "../../core/schedule/occurrences.ts";
import { SKIPPED_MAX } from "../../core/schedule/schedule.ts";
import { Problem } from "../http/problem.ts";
import { readCalendar } from "../store/change-freezes.ts";
import { findEvacuation } from "../store/evacuations.ts";
import type { StoredSchedule } from "../store/schedules.ts";
import type { By } from "./evacuation-actions.ts";
import { openWindow } from "./open-window.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { judge, requireFit } from "./preview-schedule.ts";
import { editStored, requireSchedule } from "./schedule-actions.ts";

/** A window that begins within this time cannot be skipped: its start may be under way. */
const TOO_LATE_MS = 60_000;

/**
 * The window of this start does not open, and no evacuation goes on in it. One that is skipped already
 * stays as it is.
 *
 * @throws Problem schedule-not-found, no-such-window, too-many-skips, scheduler-unavailable
 */
export function skipWindow(
  id: ScheduleId,
  startsAt: string,
  { author, message }: By,
): Promise<StoredSchedule> {
  const startMs = Date.parse(startsAt);
  return editStored(id, async (before) => {
    const { handledAt, skipped = [] } = before;
    if (skipped.some((one) => Date.parse(one.startsAt) === startMs)) return undefined;
    const nowMs = Date.now();
    const isWindow = occurrenceAt({ ...before, extra: undefined }, startMs) !== undefined;
    if (!isWindow) throw noSuchWindow(`${id} has no window that starts at ${startsAt}`);
    if (startMs <= nowMs + TOO_LATE_MS) {
      throw noSuchWindow(
        `The window of ${startsAt} has begun, or does within a minute: pause or cancel its evacuation`,
      );
    }
    const ahead = skipped.filter((one) => Date.parse(one.startsAt) > Date.parse(handledAt));
    if (ahead.length >= SKIPPED_MAX) {
      const detail = `${SKIPPED_MAX} windows of ${id} are skipped already: pause it instead`;
      throw new Problem("too-many-skips", detail);
    }
    const made = {
      startsAt: new Date(startMs).toISOString(),
      author,
      since: new Date(nowMs).toISOString(),
      ...(message === undefined ? {} : { message }),
    };
    return { skipped: [...ahead, made].toSorted((a, b) => (a.startsAt < b.startsAt ? -1 : 1)) };
  });
}

/**
 * The window of this start opens after all. One that is not skipped stays as it is.
 *
 * @throws Problem schedule-not-found, no-such-window, scheduler-unavailable
 */
export function unskipWindow(id: ScheduleId, startsAt: string): Promise<StoredSchedule> {
  const startMs = Date.parse(startsAt);
  return editStored(id, async ({ skipped = [] }) => {
    const left = skipped.filter((one) => Date.parse(one.startsAt) !== startMs);
    if (left.length === skipped.length) return undefined;
    if (startMs <= Date.now()) {
      throw noSuchWindow(`The window of ${startsAt} would have begun: it has been skipped`);
    }
    return { skipped: left.length === 0 ? undefined : left };
  });
}

/**
 * Opens a window now, besides the starts, as long as every other one. It ends when the next one begins,
 * and one that is open ends with it. While it is open, the same request changes nothing. Where nothing is to be emptied it is closed again.
 *
 * @param cap refuses hosts that the caller may not empty together
 *
 * @throws Problem schedule-not-found, schedule-paused, in-change-freeze, plan-refused,
 *   fleet-too-large, scheduler-unavailable, workflow-unavailable, and what `cap` throws
 */
export async function runSchedule(
  id: ScheduleId,
  { author, message }: By,
  cap: (hosts: readonly HostId[]) => Promise<void>,
): Promise<StoredSchedule> {
  const now = new Date();
  const written = await editStored(id, async (before) => {
    if (isExtraOpen(before, now.getTime())) return undefined;
    await cap(await requireRunnable(before, now.getTime()));
    const by = { author, ...(message === undefined ? {} : { message }) };
    return { extra: { startsAt: now.toISOString(), ...by } };
  });
  const startsAt = written.extra?.startsAt;
  if (startsAt === undefined) return written;
  const run = await orUnavailable("workflow-unavailable", () => openWindow(id, startsAt));
  if ("evacuation" in run && run.evacuation !== undefined) return requireSchedule(id);
  return editStored(id, async ({ extra }) =>
    extra?.startsAt === startsAt ? { extra: undefined } : undefined,
  );
}

/**
 * Whether a window may be opened now.
 *
 * @returns the hosts that it would empty
 *
 * @throws Problem schedule-paused, in-change-freeze, plan-refused, fleet-too-large
 */
export async function requireRunnable(
  schedule: StoredSchedule,
  nowMs: number,
): Promise<readonly HostId[]> {
  const { id, paused, evacuation } = schedule;
  if (paused !== undefined) {
    throw new Problem("schedule-paused", `${paused.author} has paused ${id}: resume it first`);
  }
  const { freezes } = await readCalendar();
  const added = { ...schedule, extra: { startsAt: new Date(nowMs).toISOString() } };
  const window = occurrenceAt(added, nowMs) ?? { startMs: nowMs, endMs: nowMs };
  const openMs = openSpans(window, freezes).reduce((sum, one) => sum + one.endMs - one.startMs, 0);
  if (openMs === 0) {
    throw new Problem(
      "in-change-freeze",
      "A change freeze holds all of the window: nothing starts",
    );
  }
  const last = evacuation === undefined ? undefined : await findEvacuation(evacuation);
  if (last !== undefined && !isFinalEvacuation(last.status)) return [];
  const { hosts, fit } = await judge(schedule, openMs);
  requireFit(fit);
  return hosts;
}

function isExtraOpen(schedule: StoredSchedule, nowMs: number): boolean {
  const open = currentOccurrence(schedule, nowMs);
  const extraMs = Date.parse(schedule.extra?.startsAt ?? "");
  return open !== undefined && open.startMs === extraMs && nowMs < open.endMs;
}

function noSuchWindow(detail: string): Problem {
  return new Problem("no-such-window", detail);
}
