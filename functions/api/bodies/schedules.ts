import * as z from "zod";
import { ChangeFreezeView } from "../../../core/schedule/change-freeze.ts";
import { Schedule, SchedulePreview } from "../../../core/schedule/schedule.ts";
import { Acting } from "./evacuations.ts";
import { page } from "./page.ts";

/** One window, by its start. */
export const WindowChoice = Acting.extend({
  /** As `next` of the schedule has it. */
  startsAt: z.iso.datetime(),
});

export const SchedulePage = page(Schedule);

export const ScheduleDryRun = z.strictObject({
  dryRun: z.literal(true),
  preview: SchedulePreview,
});

export const ChangeFreezes = z.strictObject({ items: z.array(ChangeFreezeView) });
