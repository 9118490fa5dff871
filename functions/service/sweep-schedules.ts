import type { ScheduleId } from "../../core/id.ts";
import { startAfter } from "../../core/schedule/occurrences.ts";
import { log } from "../runtime/log.ts";
import type { StoredSchedule } from "../store/schedules.ts";
import { armSchedule, nextStartOf } from "./arm-schedule.ts";
import { openWindow, settle, unhandledWindow } from "./open-window.ts";
import { listAllSchedules } from "./schedule-actions.ts";

/** The engine delivers a start within a minute. */
const LATE_MS_MAX = 90_000;

export type SweptSchedule = {
  readonly id: ScheduleId;
  readonly outcome: "fine" | "opened" | "missed" | "armed" | "failed";
};

/**
 * Makes up for starts that were not delivered: a window that is open is opened late, those that are
 * over are counted as missed, and the engine is given the next start. One schedule that fails does not
 * hold up the others.
 */
export async function sweepSchedules(): Promise<SweptSchedule[]> {
  const swept: SweptSchedule[] = [];
  for (const schedule of await listAllSchedules()) {
    const { id } = schedule;
    try {
      swept.push({ id, outcome: await sweep(schedule) });
    } catch (error) {
      log().error({ err: error, schedule: id }, "failed to sweep a schedule");
      swept.push({ id, outcome: "failed" });
    }
  }
  return swept;
}

async function sweep(schedule: StoredSchedule): Promise<SweptSchedule["outcome"]> {
  const { id, paused, handledAt, armedFor } = schedule;
  if (paused === undefined) {
    const dueMs = startAfter(schedule, Date.parse(handledAt));
    if (dueMs !== undefined && dueMs + LATE_MS_MAX < Date.now()) {
      const window = unhandledWindow(schedule);
      if (window !== undefined) {
        await openWindow(id, new Date(window.startMs).toISOString());
        return "opened";
      }
      await settle(id, undefined);
      await armSchedule(id);
      return "missed";
    }
    // A start that is due now is not taken from the engine.
    if (dueMs !== undefined && dueMs <= Date.now()) return "fine";
  }
  if (nextStartOf(schedule) === armedFor) return "fine";
  await armSchedule(id);
  return "armed";
}
