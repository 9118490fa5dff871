import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import type { ChangeFreeze, Schedule } from "../api-types.ts";

/** Schedules that are shown with the windows that they have opened: each is a request. */
const WITH_RUNS_MAX = 50;
/** More than a control plane takes. */
const SCHEDULES_MAX = 200;

export type SchedulesView = {
  readonly schedules: readonly Schedule[];
  readonly freezes: readonly ChangeFreeze[];
};

/** All schedules, oldest first, and the calendar in which nothing starts. */
export async function loadSchedules(api: Client): Promise<SchedulesView> {
  const [listed, { items: freezes }] = await Promise.all([
    allOf(api.listSchedules, SCHEDULES_MAX),
    api.listChangeFreezes(),
  ]);
  const first = listed.slice(0, WITH_RUNS_MAX);
  const schedules = await Promise.all(first.map(({ id }) => api.getSchedule(id)));
  return { schedules: [...schedules, ...listed.slice(WITH_RUNS_MAX)], freezes };
}
