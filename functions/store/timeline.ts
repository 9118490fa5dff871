import type { MigrationId } from "../../core/id.ts";
import { Sample, TimelineEntry } from "../../core/migration/migration.ts";
import type { Progress } from "../../core/protocol/event.ts";
import { type EventKey, keys } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, type Item, type Key, putItems, queryItems } from "./table.ts";

const ENTRIES_MAX = 1_000;

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

/** @throws TableBusy */
export async function addRows(rows: Row[]): Promise<void> {
  await putItems(rows);
}

/** Entries of hosts' events, oldest first; at most 1,000. */
export async function listEntries(id: MigrationId): Promise<TimelineEntry[]> {
  const { items } = await queryItems({
    partition: ["pk", `MIG#${id}`],
    prefix: ["sk", "EVENT#"],
    limit: ENTRIES_MAX,
  });
  return items.map(({ at, origin, type, detail }) =>
    TimelineEntry.parse({ at, origin, type, detail }),
  );
}

/** Progress samples, oldest first; `next` is the cursor of the following page. */
export async function listSamples(
  id: MigrationId,
  page: { limit: number; after?: string | undefined },
): Promise<{ items: Sample[]; next?: string }> {
  const { items, more, last } = await queryItems({
    partition: ["pk", `MIG#${id}`],
    prefix: ["sk", "SAMPLE#"],
    limit: page.limit,
    ...(page.after === undefined ? {} : { after: { pk: `MIG#${id}`, sk: `SAMPLE#${page.after}` } }),
  });
  return {
    items: items.map(toSample),
    ...(more && last !== undefined ? { next: last.slice("SAMPLE#".length) } : {}),
  };
}

function toSample({ at, progress }: Item): Sample {
  return Sample.parse({ at, progress });
}
