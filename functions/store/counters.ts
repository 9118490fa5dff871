import * as z from "zod";
import type { MigrationId, VmId } from "../../core/id.ts";
import type { Sums } from "../../core/open-metrics.ts";
import { keys } from "./keys.ts";
import { getItems, updateIf } from "./table.ts";

/** Items that the counters are spread over: ends at the same moment seldom meet. */
const SHARDS = 4;

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

/** Adds to the counters; `id`: of what it is about. */
export async function addSums(additions: Sums, id = ""): Promise<void> {
  if (additions.size === 0) return;
  const entries = [...additions].map(([name, value], place) => ({ name, value, place }));
  await updateIf({
    key: keys.metrics(shardOf(id)),
    update: `ADD ${entries.map(({ place }) => `#s${place} :s${place}`).join(", ")}`,
    names: Object.fromEntries(entries.map(({ name, place }) => [`#s${place}`, name])),
    values: Object.fromEntries(entries.map(({ value, place }) => [`:s${place}`, value])),
  });
}

/** The sums of all that was counted. */
export async function readSums(): Promise<Sums> {
  const items = await getItems(Array.from({ length: SHARDS }, (_, shard) => keys.metrics(shard)));
  const sums = new Map<string, number>();
  for (const item of items) {
    const { pk, sk, ...counters } = StoredSums.parse(item);
    for (const [name, value] of Object.entries(counters)) {
      if (typeof value === "number") sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return sums;
}

/** By the last character of its ULID, which is random. */
function shardOf(id: string): number {
  return id === "" ? 0 : id.charCodeAt(id.length - 1) % SHARDS;
}
