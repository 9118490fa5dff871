/** Input of CreateSchedule. A member that is not listed is refused, never ignored. */
import * as z from "zod";
import { SchedulerError } from "./errors.ts";

/** Scheduler's own limits and defaults: API reference, RetryPolicy. */
const EVENT_AGE_SECONDS_MAX = 86_400;
const RETRIES_MAX = 185;

const RetryPolicy = z.strictObject({
  MaximumEventAgeInSeconds: z.int().min(60).max(EVENT_AGE_SECONDS_MAX).optional(),
  MaximumRetryAttempts: z.int().min(0).max(RETRIES_MAX).optional(),
});

export const ScheduleName = z.string().regex(/^[0-9a-zA-Z-_.]{1,64}$/);

export const CreateSchedule = z.strictObject({
  GroupName: ScheduleName.default("default"),
  ClientToken: z.string().regex(/^[a-zA-Z0-9-_]{1,64}$/),
  /** One-time schedules in UTC only. */
  ScheduleExpression: z
    .string()
    .regex(/^at\(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\)$/, "expected at(yyyy-mm-ddThh:mm:ss)")
    .refine((text) => !Number.isNaN(instantOf(text)), "expected a date that exists"),
  ScheduleExpressionTimezone: z.literal("UTC").optional(),
  FlexibleTimeWindow: z.strictObject({ Mode: z.literal("OFF") }),
  ActionAfterCompletion: z.literal("DELETE"),
  Description: z.string().max(512).optional(),
  Target: z.strictObject({
    Arn: z.string().regex(/^arn:aws[a-z-]*:lambda:.+:function:.+$/),
    RoleArn: z.string().regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/),
    Input: z.string().min(1).optional(),
    RetryPolicy: RetryPolicy.optional(),
  }),
});
export type CreateSchedule = z.infer<typeof CreateSchedule>;

/** The instant of a one-time schedule, ms. */
export function instantOf(expression: string): number {
  return Date.parse(`${expression.slice("at(".length, -1)}Z`);
}

/** How long and how often a delivery that failed is tried again. */
export function retriesOf({ Target }: CreateSchedule): { ageMs: number; attempts: number } {
  const { MaximumEventAgeInSeconds = EVENT_AGE_SECONDS_MAX, MaximumRetryAttempts = RETRIES_MAX } =
    Target.RetryPolicy ?? {};
  return { ageMs: MaximumEventAgeInSeconds * 1000, attempts: MaximumRetryAttempts };
}

/** @throws SchedulerError naming the first member that is missing, wrong or not supported */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = issue?.path.join(".") || "the request";
  const keys = issue?.code === "unrecognized_keys" ? `: ${issue.keys.join(", ")}` : "";
  const message = `${name}: ${issue?.message}${keys}, as the local Scheduler supports it`;
  throw new SchedulerError("ValidationException", message);
}
