import type { InferRequestType } from "hono/client";
import { type Acting, type Api, json } from "./api.ts";

type NewSchedule = InferRequestType<Api["schedules"]["$post"]>["json"];
type SchedulePage = InferRequestType<Api["schedules"]["$get"]>["query"];
type ScheduleChange = InferRequestType<Api["schedules"][":id"]["$patch"]>["json"];
type NewChangeFreeze = InferRequestType<Api["change-freezes"]["$post"]>["json"];

export function scheduleOperations({ schedules, "change-freezes": freezes }: Api) {
  const one = schedules[":id"];
  const request = (schedule: NewSchedule, dryRun: "true" | "false") =>
    schedules.$post({ json: schedule, query: { dryRun } });
  return {
    createSchedule: async (schedule: NewSchedule) => {
      const answer = await request(schedule, "false");
      if (answer.status !== 201) throw new Error(`Expected status 201, got ${answer.status}`);
      return answer.json();
    },
    /** `createSchedule` with `dryRun=true`. */
    dryRunSchedule: async (schedule: NewSchedule) => {
      const answer = await request(schedule, "true");
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listSchedules: (query: SchedulePage = {}) => json(schedules.$get({ query })),
    getSchedule: (id: string) => json(one.$get({ param: { id } })),
    previewSchedule: (id: string, count: number) =>
      json(one.preview.$get({ param: { id }, query: { count: String(count) } })),
    changeSchedule: (id: string, change: ScheduleChange) =>
      json(one.$patch({ param: { id }, json: change })),
    deleteSchedule: async (id: string) => {
      await one.$delete({ param: { id } });
    },
    pauseSchedule: (id: string, by: Acting = {}) =>
      json(one.pause.$post({ param: { id }, json: by })),
    resumeSchedule: (id: string) => json(one.resume.$post({ param: { id } })),
    /** @returns the schedule; `runs` begins with what became of the window */
    runSchedule: async (id: string, by: Acting = {}) => {
      const ran = await json(one.run.$post({ param: { id }, json: by, query: {} }));
      if ("dryRun" in ran) throw new Error("Expected a schedule, got a dry run");
      return ran;
    },
    /** `runSchedule` with `dryRun=true`. */
    dryRunScheduleNow: async (id: string, by: Acting = {}) => {
      const query = { dryRun: "true" } as const;
      const found = await json(one.run.$post({ param: { id }, json: by, query }));
      if ("dryRun" in found) return found;
      throw new Error("Expected a dry run, got a schedule");
    },
    skipWindow: (id: string, startsAt: string, by: Acting = {}) =>
      json(one.skip.$post({ param: { id }, json: { startsAt, ...by } })),
    unskipWindow: (id: string, startsAt: string, by: Acting = {}) =>
      json(one.unskip.$post({ param: { id }, json: { startsAt, ...by } })),
    createChangeFreeze: (freeze: NewChangeFreeze) => json(freezes.$post({ json: freeze })),
    listChangeFreezes: () => json(freezes.$get()),
    deleteChangeFreeze: async (id: string) => {
      await freezes[":id"].$delete({ param: { id } });
    },
  };
}
