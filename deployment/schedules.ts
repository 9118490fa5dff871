import type { ScheduledTask } from "../core/migration/tasks.ts";

/** How often each scheduled function is called, with an empty input. */
export const scheduleMinutes: Readonly<Record<ScheduledTask, number>> = {
  sweep: 1,
  "deliver-webhooks": 1,
};
