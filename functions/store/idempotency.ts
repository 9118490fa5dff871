import { createHash } from "node:crypto";
import * as z from "zod";
import { EvacuationId, MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, getItem, putItem, write } from "./table.ts";

const Used = z.object({ bodyHash: z.string(), migrationId: MigrationId, ttl: z.int() });
export type Used = z.infer<typeof Used>;

/** The request for which an Idempotency-Key was used within the last day. */
export async function findUse(key: string): Promise<Used | undefined> {
  const item = await getItem(keys.idempotency(key));
  const used = item === undefined ? undefined : Used.parse(item);
  return used !== undefined && used.ttl * 1000 > Date.now() ? used : undefined;
}

/** The write that takes the key, for the transaction of the request. */
export function takeKey(key: string, use: Omit<Used, "ttl">) {
  return write.put(
    { ...keys.idempotency(key), ...use, ttl: expiresIn(keptSeconds.idempotencyKey) },
    {
      condition: "attribute_not_exists(pk) OR #ttl <= :now",
      values: { ":now": Math.floor(Date.now() / 1000) },
    },
  );
}

/** Equal requests have equal hashes, whatever the order of their fields. */
export function hashRequest(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(value)))
    .digest("hex");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}

const UsedForEvacuation = z.object({
  bodyHash: z.string(),
  evacuation: EvacuationId,
  ttl: z.int(),
});

/**
 * Takes a key for an evacuation that is to be written under this id. Returns the id that the key
 * stands for: of two requests, the first one's. An evacuation of that id may not be written yet.
 */
export async function takeEvacuationKey(
  key: string,
  { bodyHash, id }: { bodyHash: string; id: EvacuationId },
): Promise<EvacuationId> {
  const isTaken = await putItem(
    {
      ...keys.idempotency(key),
      bodyHash,
      evacuation: id,
      ttl: expiresIn(keptSeconds.idempotencyKey),
    },
    "attribute_not_exists(pk)",
  );
  if (isTaken) return id;
  const used = UsedForEvacuation.safeParse(await getItem(keys.idempotency(key)));
  return used.success ? used.data.evacuation : id;
}
