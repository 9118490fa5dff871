import * as z from "zod";
import { NoticeRule } from "../evacuation/notice.ts";
import {
  ApprovalRule,
  EvacuationLimits,
  EvacuationOptions,
  Tolerance,
} from "../evacuation/request.ts";
import { Message, Owner } from "../host/cordon.ts";
import { EvacuationId, HostId, ScheduleId } from "../id.ts";
import { FleetPolicy } from "../plan/options.ts";
import { HostSelector } from "./host-selector.ts";
import { StartTimes, shortestGapMs } from "./start-times.ts";

/** Schedules of one control plane: the sweep reads them all. */
export const SCHEDULES_MAX = 200;

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const instant = z.iso.datetime();

const fields = {
  /** For people. */
  name: z.string().min(1).max(200),
  starts: StartTimes,
  /** Length of the window in elapsed time, whatever the clocks do meanwhile. */
  durationMs: z
    .int()
    .min(5 * MINUTE_MS)
    .max(7 * DAY_MS),
  hosts: HostSelector,
  /** Its evacuations may need more than one window. */
  spread: z.boolean(),
  /** How each migration is done. */
  policy: FleetPolicy,
  options: EvacuationOptions,
  limits: EvacuationLimits,
  tolerance: Tolerance,
};

/** What an operator asks for. */
export const ScheduleRequest = z
  .strictObject({
    ...fields,
    /** Who makes it. */
    by: Owner.default("operator"),
    spread: fields.spread.default(false),
    policy: fields.policy.prefault({}),
    options: fields.options.prefault({}),
    limits: fields.limits.prefault({}),
    tolerance: fields.tolerance.prefault({}),
    /**
     * Persons who must approve each plan. Absent: whoever has made the schedule has approved what it
     * plans; a later version beyond the tolerance waits for a person all the same.
     */
    approval: ApprovalRule.optional(),
    /** Owners of VMs are told when a window opens, and its moves wait for them. Absent: nobody is. */
    notice: NoticeRule.optional(),
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

/** What to change of a schedule; what is absent stays. */
export const ScheduleChange = z
  .strictObject({
    name: fields.name.optional(),
    starts: fields.starts.optional(),
    durationMs: fields.durationMs.optional(),
    hosts: fields.hosts.optional(),
    spread: fields.spread.optional(),
    policy: fields.policy.optional(),
    options: fields.options.optional(),
    limits: fields.limits.optional(),
    tolerance: fields.tolerance.optional(),
    /** `null`: nobody has to approve its plans. */
    approval: ApprovalRule.nullable().optional(),
    /** `null`: owners are not told. */
    notice: NoticeRule.nullable().optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "expected a field to change");
export type ScheduleChange = z.infer<typeof ScheduleChange>;

/** A window of a schedule, as the API shows it. */
export const OccurrenceView = z.strictObject({
  /** `<schedule id>@<start>`: an occurrence has one evacuation, however often its start is delivered. */
  key: z.string(),
  startsAt: instant,
  endsAt: instant,
  /** What the change freezes leave of it. */
  open: z.array(z.strictObject({ from: instant, until: instant })),
});
export type OccurrenceView = z.infer<typeof OccurrenceView>;

/** What became of an occurrence. */
export const RunOutcome = z.enum([
  /** An evacuation was started. */
  "started",
  /** An evacuation was planned, and waits for its approval. */
  "planned",
  /** The evacuation of an earlier window goes on. */
  "continued",
  /** No host needs it, or none of them has a guest. */
  "nothing-to-do",
  /** The plan cannot be carried out: nothing was cordoned. */
  "refused",
]);
export type RunOutcome = z.infer<typeof RunOutcome>;

/** One occurrence that was opened. */
export const OccurrenceRun = z.strictObject({
  startsAt: instant,
  outcome: RunOutcome,
  evacuation: EvacuationId.optional(),
  /** Why nothing was started, or what is left out; for people. */
  reason: z.string().optional(),
  /** So long after its start it was opened, ms. */
  lateMs: z.int().nonnegative(),
  /** How often its start was delivered: all but the first changed nothing. */
  deliveries: z.int().positive(),
});
export type OccurrenceRun = z.infer<typeof OccurrenceRun>;

/** All windows that nobody opened while the control plane was away, as one entry. */
export const MissedWindows = z.strictObject({
  first: instant,
  last: instant,
  count: z.int().min(1),
  /** There were more than are counted. */
  isAtLeast: z.boolean(),
});
export type MissedWindows = z.infer<typeof MissedWindows>;

/** Somebody wants no window to open. */
export const SchedulePause = z.strictObject({
  author: Owner,
  message: Message.optional(),
  since: instant,
});

/** Windows of one schedule that may be skipped at a time: to skip more, it is paused. */
export const SKIPPED_MAX = 20;

/** A window that somebody wants not to open. */
export const SkippedWindow = z.strictObject({
  startsAt: instant,
  author: Owner,
  message: Message.optional(),
  since: instant,
});
export type SkippedWindow = z.infer<typeof SkippedWindow>;

/** A window that somebody has opened besides the starts. */
export const ExtraWindow = z.strictObject({
  startsAt: instant,
  author: Owner,
  message: Message.optional(),
});
export type ExtraWindow = z.infer<typeof ExtraWindow>;

/** A schedule as the API shows it. */
export const Schedule = z.strictObject({
  id: ScheduleId,
  ...ScheduleRequest.shape,
  paused: SchedulePause.optional(),
  /** Windows to come that do not open, the first ones first. */
  skipped: z.array(SkippedWindow).max(SKIPPED_MAX).optional(),
  /** The last window that a person has opened besides the starts. */
  extra: ExtraWindow.optional(),
  /** The window that is open. */
  current: OccurrenceView.optional(),
  /** The next windows, without those that are skipped; none: it has no further start, or is paused. */
  next: z.array(OccurrenceView),
  /** The evacuation that it has started last. */
  evacuation: EvacuationId.optional(),
  /** The last windows that were opened, the newest first; a list leaves them out. */
  runs: z.array(OccurrenceRun).optional(),
  missed: MissedWindows.optional(),
  createdAt: instant,
  updatedAt: instant,
});
export type Schedule = z.infer<typeof Schedule>;

/** What a schedule would do with the fleet as it is now. */
export const SchedulePreview = z.strictObject({
  next: z.array(OccurrenceView),
  hosts: z.array(HostId),
  /** Hosts of its labels or its list that it leaves alone, and why. */
  skipped: z.array(z.strictObject({ host: HostId, reason: z.string() })),
  /** VMs that move, and that would stay. */
  moves: z.int().nonnegative(),
  unplaced: z.int().nonnegative(),
  /** No schedule of these moves is shorter, ms; and their predicted time. */
  lowerBoundMs: z.number().nonnegative(),
  etaMs: z.number().nonnegative(),
  warnings: z.array(z.string()),
});
export type SchedulePreview = z.infer<typeof SchedulePreview>;
