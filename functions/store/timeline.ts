import type { HostId, MigrationId } from "../../core/id.ts";
import { Sample, TimelineEntry } from "../../core/migration/migration.ts";
import type { Progress } from "../../core/protocol/event.ts";
import { type EventKey, keys } from "./keys.ts";
import type { Listed, Page } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, type Item, type Key, putItems, queryItems } from "./table.ts";

export type Row = Item & Key;

/** An entry for an event of a host. The same event again replaces its row. */
export function entryRow(
  id: MigrationId,
  at: EventKey,
  entry: Pick<TimelineEntry, "type" | "detail">,
): Row {
  const when = new Date(at.atMs).toISOString();
  const ttl = expiresIn(keptSeconds.timelineEntry);
  return { ...keys.event(id, at), at: when, origin: at.host, ...entry, ttl };
}

export function sampleRow(id: MigrationId, at: EventKey, progress: Progress): Row {
  const when = new Date(at.atMs).toISOString();
  return { ...keys.sample(id, at), at: when, progress, ttl: expiresIn(keptSeconds.sample) };
}

/** No host has this name. */
const CLOUD = "-cloud" as HostId;

/** An entry for a step of the cloud that the record keeps no more. */
export function cloudRow(
  id: MigrationId,
  at: Pick<EventKey, "atMs" | "seq">,
  entry: Pick<TimelineEntry, "type" | "detail">,
): Row {
  return { ...entryRow(id, { ...at, host: CLOUD }, entry), origin: "cloud" };
}

/** @throws TableBusy */
export async function addRows(rows: Row[]): Promise<void> {
  await putItems(rows);
}

/** Entries of hosts' events, oldest first; `next` is the cursor of the following page. */
export async function listEntries(id: MigrationId, page: Page): Promise<Listed<TimelineEntry>> {
  return listRows(id, "EVENT#", page, ({ at, origin, type, detail }) =>
    TimelineEntry.parse({ at, origin, type, detail }),
  );
}

/** Progress samples, oldest first; `next` is the cursor of the following page. */
export async function listSamples(id: MigrationId, page: Page): Promise<Listed<Sample>> {
  return listRows(id, "SAMPLE#", page, ({ at, progress }) => Sample.parse({ at, progress }));
}

async function listRows<T>(
  id: MigrationId,
  prefix: string,
  { limit, after }: Page,
  read: (item: Item) => T,
): Promise<Listed<T>> {
  const pk = `MIG#${id}`;
  const { items, more, last } = await queryItems({
    partition: ["pk", pk],
    prefix: ["sk", prefix],
    limit,
    ...(after === undefined ? {} : { after: { pk, sk: `${prefix}${after}` } }),
  });
  return {
    items: items.map(read),
    ...(more && last !== undefined ? { next: last.slice(prefix.length) } : {}),
  };
}
