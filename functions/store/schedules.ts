import * as z from "zod";
import { EvacuationId, ScheduleId } from "../../core/id.ts";
import {
  ExtraWindow,
  MissedWindows,
  OccurrenceRun,
  SchedulePause,
  ScheduleRequest,
  SKIPPED_MAX,
  SkippedWindow,
} from "../../core/schedule/schedule.ts";
import { keys } from "./keys.ts";
import { type Page, pageOf } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import { deleteIf, expiresIn, getItem, putItem, queryItems, updateItem } from "./table.ts";

const instant = z.iso.datetime();

const StoredSchedule = z.object({
  id: ScheduleId,
  ...ScheduleRequest.shape,
  paused: SchedulePause.optional(),
  skipped: z.array(SkippedWindow).max(SKIPPED_MAX).optional(),
  extra: ExtraWindow.optional(),
  /** Windows up to this start are done with: opened, missed, or of a former version. */
  handledAt: instant,
  /** The start for which the engine has a schedule. */
  armedFor: instant.optional(),
  /** The evacuation that was started last. */
  evacuation: EvacuationId.optional(),
  missed: MissedWindows.optional(),
  /** Grows with each write. */
  revision: z.int().positive(),
  createdAt: instant,
  updatedAt: instant,
});
export type StoredSchedule = z.infer<typeof StoredSchedule>;

export async function createSchedule(made: StoredSchedule): Promise<void> {
  const item = { ...keys.schedule(made.id), ...made, gsi1pk: "SCHEDULES", gsi1sk: made.id };
  if (await putItem(item, "attribute_not_exists(pk)")) return;
  throw new Error(`Expected no schedule ${made.id} to exist`);
}

export async function findSchedule(id: ScheduleId): Promise<StoredSchedule | undefined> {
  const item = await getItem(keys.schedule(id));
  return item === undefined ? undefined : StoredSchedule.parse(item);
}

/** Oldest first. */
export async function listSchedules(page: Page) {
  return pageOf({
    partitions: ["SCHEDULES"],
    keyOf: keys.schedule,
    read: (item) => StoredSchedule.parse(item),
    page,
  });
}

type Fields = Partial<Omit<StoredSchedule, "id" | "revision" | "createdAt">>;

/**
 * Writes a schedule that has not changed since it was read; a field that is `undefined` is removed.
 * Returns it as it is then; undefined when another writer was first, or it was removed.
 */
export async function changeSchedule(
  { id, revision }: Pick<StoredSchedule, "id" | "revision">,
  fields: Fields,
): Promise<StoredSchedule | undefined> {
  const set = ["#revision = :next"];
  const removed: string[] = [];
  const values: Record<string, unknown> = { ":next": revision + 1, ":revision": revision };
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) removed.push(`#${name}`);
    else {
      set.push(`#${name} = :v_${name}`);
      values[`:v_${name}`] = value;
    }
  }
  const remove = removed.length === 0 ? "" : ` REMOVE ${removed.join(", ")}`;
  const item = await updateItem({
    key: keys.schedule(id),
    update: `SET ${set.join(", ")}${remove}`,
    condition: "#revision = :revision",
    values,
  });
  return item === undefined ? undefined : StoredSchedule.parse(item);
}

/** False when it has changed since it was read. */
export async function removeSchedule({ id, revision }: StoredSchedule): Promise<boolean> {
  return deleteIf(keys.schedule(id), {
    condition: "#revision = :revision",
    values: { ":revision": revision },
  });
}

export async function findRun(
  id: ScheduleId,
  startsAt: string,
): Promise<OccurrenceRun | undefined> {
  return readRun(await getItem(keys.scheduleRun(id, startsAt)));
}

/** Records what became of an occurrence. Returns what was recorded first. */
export async function recordRun(id: ScheduleId, made: OccurrenceRun): Promise<OccurrenceRun> {
  const item = {
    ...keys.scheduleRun(id, made.startsAt),
    ...made,
    ttl: expiresIn(keptSeconds.scheduleRun),
  };
  if (await putItem(item, "attribute_not_exists(pk)")) return made;
  return (await countDelivery(id, made.startsAt)) ?? made;
}

/** One more delivery of a start that was handled before. */
export async function countDelivery(
  id: ScheduleId,
  startsAt: string,
): Promise<OccurrenceRun | undefined> {
  const item = await updateItem({
    key: keys.scheduleRun(id, startsAt),
    update: "ADD #deliveries :one",
    condition: "attribute_exists(pk)",
    values: { ":one": 1 },
  });
  return readRun(item);
}

/** Newest first. */
export async function listRuns(id: ScheduleId, limit: number): Promise<OccurrenceRun[]> {
  const { items } = await queryItems({
    partition: ["pk", `SCHEDULE#${id}`],
    prefix: ["sk", "RUN#"],
    limit,
    newestFirst: true,
  });
  return items.flatMap((item) => readRun(item) ?? []);
}

const StoredRun = z.object(OccurrenceRun.shape);

function readRun(item: unknown): OccurrenceRun | undefined {
  return item === undefined ? undefined : StoredRun.parse(item);
}
