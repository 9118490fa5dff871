import * as z from "zod";
import { ChangeFreezeView } from "../../../core/schedule/change-freeze.ts";
import { Schedule, SchedulePreview } from "../../../core/schedule/schedule.ts";
import { page } from "./page.ts";

export const SchedulePage = page(Schedule);

export const ScheduleDryRun = z.strictObject({
  dryRun: z.literal(true),
  preview: SchedulePreview,
});

export const ChangeFreezes = z.strictObject({ items: z.array(ChangeFreezeView) });
