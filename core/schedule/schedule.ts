import { z } from "zod";
import { PlanOptions } from "../plan/options.ts";
import { HostSelector } from "./host-selector.ts";
import { StartTimes, shortestGapMs } from "./start-times.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const ScheduleId = z
  .string()
  .regex(/^sch_[0-9A-HJKMNP-TV-Z]{26}$/, "expected a schedule id such as sch_01J9Z3…")
  .brand<"ScheduleId">();
export type ScheduleId = z.infer<typeof ScheduleId>;

/** What a schedule's evacuations are planned with; hosts and window are the schedule's. */
const EvacuationOptions = PlanOptions.omit({ empty: true, windowMs: true, deadlineMs: true });

/** What an operator asks for. */
export const ScheduleRequest = z
  .strictObject({
    /** For people. */
    name: z.string().min(1).max(200),
    starts: StartTimes,
    /** Length of the window in elapsed time, whatever the clocks do meanwhile. */
    durationMs: z
      .int()
      .min(5 * MINUTE_MS)
      .max(7 * DAY_MS),
    hosts: HostSelector,
    /** An evacuation that does not fit one window goes on in the next one. */
    spread: z.boolean().default(false),
    isEnabled: z.boolean().default(true),
    evacuation: EvacuationOptions.prefault({}),
  })
  .superRefine(({ starts, durationMs }, context) => {
    const gapMs = shortestGapMs(starts);
    if (gapMs === undefined || gapMs >= durationMs) return;
    context.addIssue({
      code: "custom",
      path: ["durationMs"],
      message: `expected at most ${gapMs} ms, the time between two starts of \`starts\`, got ${durationMs}`,
    });
  });
export type ScheduleRequest = z.infer<typeof ScheduleRequest>;

/** A window of a schedule, as the API shows it. */
export const OccurrenceView = z.strictObject({
  /** `<schedule id>@<start>`: an occurrence has one evacuation, however often its start is delivered. */
  key: z.string(),
  startsAt: z.iso.datetime(),
  endsAt: z.iso.datetime(),
  /** What the change freezes leave of it. */
  open: z.array(z.strictObject({ from: z.iso.datetime(), until: z.iso.datetime() })),
});
export type OccurrenceView = z.infer<typeof OccurrenceView>;

/** A schedule as the API shows it. */
export const ScheduleView = z.strictObject({
  id: ScheduleId,
  ...ScheduleRequest.shape,
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  /** The window that is open. */
  current: OccurrenceView.optional(),
  /** The next windows. */
  next: z.array(OccurrenceView),
  /** Windows that nobody opened, since the control plane was away. */
  missed: z
    .strictObject({
      first: z.iso.datetime(),
      last: z.iso.datetime(),
      count: z.int().min(1),
      /** There were more than are counted. */
      isAtLeast: z.boolean(),
    })
    .optional(),
});
export type ScheduleView = z.infer<typeof ScheduleView>;
