import * as z from "zod";
import { ScheduleId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { type OpenedWindow, openWindow } from "../service/open-window.ts";

const Start = z.object({ schedule: ScheduleId, startsAt: z.iso.datetime() });

/** Called by EventBridge Scheduler at the start of a window, at least once. */
export const handler = task(async (event): Promise<OpenedWindow> => {
  const { schedule, startsAt } = Start.parse(event);
  return openWindow(schedule, startsAt);
});
