import * as z from "zod";
import { ChangeFreezeId, ScheduleId } from "../../core/id.ts";
import { ChangeFreeze, ChangeFreezeView } from "../../core/schedule/change-freeze.ts";
import {
  Schedule,
  ScheduleChange,
  SchedulePreview,
  ScheduleRequest,
} from "../../core/schedule/schedule.ts";
import { Acting } from "./bodies/evacuations.ts";
import { ChangeFreezes, ScheduleDryRun, SchedulePage, WindowChoice } from "./bodies/schedules.ts";
import { scheduleExamples as examples } from "./examples/schedules.ts";
import { answer, body, createRoute, pageQuery, READ, refusals, SEND, WRITE } from "./routing.ts";

const tags = ["Schedules"];
const byId = { params: z.strictObject({ id: ScheduleId }) };
const written = ["scheduler-unavailable", "workflow-unavailable", "schedule-changed"] as const;

export const create = createRoute({
  method: "post",
  path: "/v1/schedules",
  operationId: "createSchedule",
  tags,
  summary: "Create a schedule",
  description:
    "A window that could not hold what it would empty now is refused. With `dryRun=true` nothing is " +
    "recorded, and the answer is 200 with a `ScheduleDryRun`.",
  request: {
    ...body(ScheduleRequest, examples.request),
    query: z.strictObject({
      dryRun: z
        .enum(["true", "false"])
        .default("false")
        .meta({ description: "Only show what it would do" }),
    }),
  },
  responses: {
    200: answer("What it would do", ScheduleDryRun, examples.dryRun),
    201: {
      ...answer("The schedule", Schedule, examples.schedule),
      headers: z.object({
        location: z.string().meta({ description: "Path of the schedule" }),
      }),
    },
    ...refusals(
      SEND,
      "plan-refused",
      "host-not-found",
      "fleet-too-large",
      "too-many-schedules",
      "scheduler-unavailable",
    ),
  },
});

export const list = createRoute({
  method: "get",
  path: "/v1/schedules",
  operationId: "listSchedules",
  tags,
  summary: "List schedules, oldest first",
  description: "Without the windows that were opened: `getSchedule` has the last ones.",
  request: { query: z.strictObject(pageQuery(ScheduleId)) },
  responses: {
    200: answer("A page of schedules", SchedulePage, examples.page),
    ...refusals(READ),
  },
});

export const get = createRoute({
  method: "get",
  path: "/v1/schedules/{id}",
  operationId: "getSchedule",
  tags,
  summary: "Show a schedule",
  request: byId,
  responses: {
    200: answer("The schedule", Schedule, examples.schedule),
    ...refusals(READ, "schedule-not-found"),
  },
});

export const preview = createRoute({
  method: "get",
  path: "/v1/schedules/{id}/preview",
  operationId: "previewSchedule",
  tags,
  summary: "Show the next windows of a schedule, and what it would empty now",
  request: {
    ...byId,
    query: z.strictObject({
      count: z.coerce
        .number()
        .int()
        .min(1)
        .max(100)
        .default(20)
        .meta({ param: { description: "Windows" } }),
    }),
  },
  responses: {
    200: answer("What it would do", SchedulePreview, examples.preview),
    ...refusals(READ, "schedule-not-found", "plan-refused", "host-not-found", "fleet-too-large"),
  },
});

export const change = createRoute({
  method: "patch",
  path: "/v1/schedules/{id}",
  operationId: "changeSchedule",
  tags,
  summary: "Change a schedule",
  description:
    "Holds at once, for the window that is open, too: an evacuation in it starts nothing more that " +
    "would not end by the new times.",
  request: { ...byId, ...body(ScheduleChange, examples.change) },
  responses: {
    200: answer("The schedule", Schedule, examples.schedule),
    ...refusals(
      SEND,
      "schedule-not-found",
      "plan-refused",
      "host-not-found",
      "fleet-too-large",
      ...written,
    ),
  },
});

export const remove = createRoute({
  method: "delete",
  path: "/v1/schedules/{id}",
  operationId: "deleteSchedule",
  tags,
  summary: "Delete a schedule",
  request: byId,
  responses: {
    204: { description: "The schedule is gone" },
    ...refusals(WRITE, "schedule-not-found", "schedule-in-use", ...written),
  },
});

export const pause = createRoute({
  method: "post",
  path: "/v1/schedules/{id}/pause",
  operationId: "pauseSchedule",
  tags,
  summary: "Pause a schedule",
  description: "No window opens from now on; what is under way in an open one goes on in it.",
  request: { ...byId, ...body(Acting, examples.acting) },
  responses: {
    200: answer("The schedule", Schedule, examples.paused),
    ...refusals(SEND, "schedule-not-found", ...written),
  },
});

export const resume = createRoute({
  method: "post",
  path: "/v1/schedules/{id}/resume",
  operationId: "resumeSchedule",
  tags,
  summary: "Resume a schedule",
  description: "Windows open again, from the next one on.",
  request: byId,
  responses: {
    200: answer("The schedule", Schedule, examples.schedule),
    ...refusals(WRITE, "schedule-not-found", ...written),
  },
});

export const run = createRoute({
  method: "post",
  path: "/v1/schedules/{id}/run",
  operationId: "runSchedule",
  tags,
  summary: "Open a window of a schedule now",
  description:
    "Besides its starts, as long as every other one; it ends when the next one begins, and one that " +
    "is open ends with it. While it is open, the same request changes nothing. `runs` has what became of it: where nothing is to be " +
    "emptied it is closed again. With `dryRun=true` nothing is changed, and the answer is a " +
    "`ScheduleDryRun`.",
  request: {
    ...byId,
    ...body(Acting, examples.acting),
    query: z.strictObject({
      dryRun: z
        .enum(["true", "false"])
        .default("false")
        .meta({ description: "Only show what it would do" }),
    }),
  },
  responses: {
    200: answer("The schedule", z.union([Schedule, ScheduleDryRun]), examples.ran),
    ...refusals(
      SEND,
      "schedule-not-found",
      "schedule-paused",
      "in-change-freeze",
      "plan-refused",
      "host-not-found",
      "fleet-too-large",
      "blast-radius",
      ...written,
    ),
  },
});

export const skip = createRoute({
  method: "post",
  path: "/v1/schedules/{id}/skip",
  operationId: "skipWindow",
  tags,
  summary: "Skip a window of a schedule",
  description:
    "It does not open, and no evacuation of the schedule goes on in it. At the latest a minute before " +
    "its start. One that is skipped already stays as it is.",
  request: { ...byId, ...body(WindowChoice, examples.choice) },
  responses: {
    200: answer("The schedule", Schedule, examples.skipping),
    ...refusals(SEND, "schedule-not-found", "no-such-window", "too-many-skips", ...written),
  },
});

export const unskip = createRoute({
  method: "post",
  path: "/v1/schedules/{id}/unskip",
  operationId: "unskipWindow",
  tags,
  summary: "Let a window of a schedule open after all",
  description: "Before its start. One that is not skipped stays as it is.",
  request: { ...byId, ...body(WindowChoice, examples.choice) },
  responses: {
    200: answer("The schedule", Schedule, examples.schedule),
    ...refusals(SEND, "schedule-not-found", "no-such-window", ...written),
  },
});

export const addFreeze = createRoute({
  method: "post",
  path: "/v1/change-freezes",
  operationId: "createChangeFreeze",
  tags,
  summary: "Add a change freeze",
  description: "Nothing starts in it, in any evacuation; transfers in flight end.",
  request: body(ChangeFreeze, examples.freeze),
  responses: {
    201: answer("The change freeze", ChangeFreezeView, examples.freezeView),
    ...refusals(SEND, "too-many-freezes", "freezes-changed", "workflow-unavailable"),
  },
});

export const listFreezes = createRoute({
  method: "get",
  path: "/v1/change-freezes",
  operationId: "listChangeFreezes",
  tags,
  summary: "List change freezes by their starts",
  responses: {
    200: answer("All change freezes", ChangeFreezes, examples.freezes),
    ...refusals(READ),
  },
});

export const removeFreeze = createRoute({
  method: "delete",
  path: "/v1/change-freezes/{id}",
  operationId: "deleteChangeFreeze",
  tags,
  summary: "End a change freeze",
  description: "What it has held goes on.",
  request: { params: z.strictObject({ id: ChangeFreezeId }) },
  responses: {
    204: { description: "The change freeze is gone" },
    ...refusals(WRITE, "freeze-not-found", "freezes-changed", "workflow-unavailable"),
  },
});
