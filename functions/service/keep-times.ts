import { isOpen } from "../../core/evacuation/counting.ts";
import { neededMs } from "../../core/evacuation/eta.ts";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { timedPauses } from "../../core/evacuation/pausing.ts";
import type { EvacuationId, ScheduleId } from "../../core/id.ts";
import {
  isTimeFor,
  nextOpenMs,
  openTimesOf,
  openUntilMs,
  timedPause,
} from "../../core/schedule/open-times.ts";
import { readCalendar } from "../store/change-freezes.ts";
import { listMoves } from "../store/evacuation-moves.ts";
import { listOpenEvacuations, type StoredEvacuation } from "../store/evacuations.ts";
import { findSchedule } from "../store/schedules.ts";
import { act, edit, requireEvacuation } from "./change-evacuation.ts";
import { wake } from "./evacuation-actions.ts";

/** Moves of one read, and evacuations of one page. */
const PAGE_MAX = 100;
/** Nothing is due by the clock within this time. */
const NO_SECONDS = Number.MAX_SAFE_INTEGER;

/**
 * Pauses an evacuation while it is in none of its open times, or while nothing that is left of it would
 * end in this one; otherwise ends that pause.
 *
 * @returns after how many seconds the clock changes something
 */
export async function keepTimes(evacuation: StoredEvacuation): Promise<number> {
  const { id, openTimes, counters, schedule, pauses } = evacuation;
  if (openTimes === undefined) {
    if (timedPauses.some((reason) => pauses[reason] !== undefined)) {
      await act(id, { do: "keep-times" });
    }
    return NO_SECONDS;
  }
  const nowMs = Date.now();
  const untilMs = openUntilMs(openTimes, nowMs);
  const isOver =
    untilMs === undefined || (counters.moving === 0 && !(await fits(evacuation, nowMs)));
  if (isOver) {
    const { freezes: calendar } = await readCalendar();
    const pause = timedPause(openTimes, { nowMs, calendar, schedule: schedule?.id });
    await act(id, { do: "keep-times", pause });
  } else await act(id, { do: "keep-times" });
  const changesMs = isOver ? nextOpenMs(openTimes, nowMs) : untilMs;
  if (changesMs === undefined || !Number.isFinite(changesMs)) return NO_SECONDS;
  return Math.max(1, Math.ceil((changesMs - nowMs) / 1000));
}

/** Whether something that has not begun may start now, or nothing is left to be started. */
async function fits(
  { id, openTimes, counters, work }: StoredEvacuation,
  nowMs: number,
): Promise<boolean> {
  if (counters.waiting + counters.retrying === 0) return true;
  let after: string | undefined;
  do {
    const page = await listMoves(id, { limit: PAGE_MAX, after });
    const isFitting = page.items.some(
      ({ state, predictedMs = 0 }) =>
        isOpen(state) && isTimeFor(openTimes, nowMs, neededMs(predictedMs, work)),
    );
    if (isFitting) return true;
    after = page.next;
  } while (after !== undefined);
  return false;
}

/**
 * Computes the open times of an evacuation again, by its schedule and the change freezes as they are
 * now. Nothing starts by the former ones once this has returned.
 *
 * @returns the evacuation; undefined: they are the same, or it has ended
 *
 * @throws Problem evacuation-not-found
 */
export async function computeTimes(id: EvacuationId): Promise<StoredEvacuation | undefined> {
  const before = await requireEvacuation(id);
  if (isFinalEvacuation(before.status)) return undefined;
  const openTimes = await timesNow(before.schedule?.id);
  if (JSON.stringify(openTimes) === JSON.stringify(before.openTimes)) return undefined;
  return edit(id, ({ timesRevision }) => ({ openTimes, timesRevision: timesRevision + 1 }));
}

/**
 * The same, and its workflow looks at them. One that the clock has paused looks in any case: whoever
 * has changed its times may have died before its wake.
 *
 * @throws Problem evacuation-not-found, workflow-unavailable
 */
export async function renewTimes(id: EvacuationId): Promise<void> {
  const changed = await computeTimes(id);
  const now = changed ?? (await requireEvacuation(id));
  const isPaused = timedPauses.some((reason) => now.pauses[reason] !== undefined);
  if (changed !== undefined || isPaused) await wake(now);
}

/** The times that an evacuation would have now; of a removed schedule there are none. */
export async function timesNow(id: ScheduleId | undefined) {
  const { freezes: calendar } = await readCalendar();
  const nowMs = Date.now();
  if (id === undefined) return openTimesOf({ calendar, nowMs });
  const found = await findSchedule(id);
  if (found === undefined) return [];
  const schedule = { ...found, isPaused: found.paused !== undefined };
  return openTimesOf({ schedule, calendar, nowMs });
}

/** The same of all evacuations that have not ended: the change freezes are others. */
export async function renewAllTimes(): Promise<void> {
  let after: string | undefined;
  do {
    const page = await listOpenEvacuations({ limit: PAGE_MAX, after });
    for (const id of page.items) await renewTimes(id);
    after = page.next;
  } while (after !== undefined);
}
