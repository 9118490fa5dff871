import * as z from "zod";
import type { MigrationId, VmId } from "../../core/id.ts";
import type { Sums } from "../../core/open-metrics.ts";
import { attributeOf, seriesOf } from "./counter-names.ts";
import { keys } from "./keys.ts";
import { getItems, type Key, updateIf } from "./table.ts";

/**
 * Items that the counters are spread over. An item takes about 1,000 write units a second, and an
 * addition to one with all series takes eight: 1,000 migrations may end in a second.
 */
const SHARDS = 16;

/**
 * Each shard is two items, since an addition is charged by the size of the item: what a migration that
 * completes adds to, and the rest.
 */
export const counterParts = ["META", "REST"] as const;
export type CounterPart = (typeof counterParts)[number];

const ofCompleted =
  /^switchyard_(migrations_total|migration_(transferred_bytes|downtime|blackout|budget_ratio|duration|phase_duration|overhead|passes)|ack_wait)/;

export function counterPartOf(series: string): CounterPart {
  return ofCompleted.test(series) ? "META" : "REST";
}

const StoredSums = z.record(z.string(), z.unknown());

/**
 * Marks an ended migration as counted; false: it was before. It is marked before it is added: a crash
 * between the two loses one, and nothing is counted twice. The mark is in its VM's list of migrations, as
 * a write of the record costs by the record's size.
 */
export function markCounted({ id, vm }: { id: MigrationId; vm: VmId }): Promise<boolean> {
  return updateIf({
    key: keys.vmMigration(vm, id),
    update: "SET #counted = :true",
    condition: "attribute_exists(pk) AND attribute_not_exists(#counted)",
    values: { ":true": true },
  });
}

/** Adds to the counters; `id`: of what it is about. Of two items the second may fail by itself. */
export async function addSums(additions: Sums, id = ""): Promise<void> {
  const shard = shardOf(id);
  for (const part of counterParts) {
    const some = [...additions].filter(([name]) => counterPartOf(name) === part);
    if (some.length > 0) await addTo(keys.metrics(shard, part), some);
  }
}

async function addTo(key: Key, additions: readonly (readonly [string, number])[]): Promise<void> {
  const entries = additions.map(([name, value], place) => ({ name, value, place }));
  await updateIf({
    key,
    update: `ADD ${entries.map(({ place }) => `#s${place} :s${place}`).join(", ")}`,
    names: Object.fromEntries(entries.map(({ name, place }) => [`#s${place}`, attributeOf(name)])),
    values: Object.fromEntries(entries.map(({ value, place }) => [`:s${place}`, value])),
  });
}

/** The sums of all that was counted. */
export async function readSums(): Promise<Sums> {
  const items = await getItems(allCounters());
  const sums = new Map<string, number>();
  for (const item of items) {
    const { pk, sk, ...counters } = StoredSums.parse(item);
    for (const [attribute, value] of Object.entries(counters)) {
      const name = seriesOf(attribute);
      if (typeof value === "number") sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return sums;
}

export function allCounters(): Key[] {
  return Array.from({ length: SHARDS }, (_, shard) =>
    counterParts.map((part) => keys.metrics(shard, part)),
  ).flat();
}

/** Of a ULID. */
const CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** By the last character of its ULID, which is random. */
function shardOf(id: string): number {
  return Math.max(0, CHARACTERS.indexOf(id.slice(-1))) % SHARDS;
}
