import { randomBytes } from "node:crypto";
import { AuditEntry } from "../../core/audit.ts";
import { keys } from "./keys.ts";
import type { Listed, Page } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, type Item, putItem, queryItems } from "./table.ts";

/** A day's entries are in so many partitions: one takes about 1,000 writes a second. */
const SHARDS = 4;
const PREFIX = "AT#";

/** Keeps what somebody has done. */
export async function addAuditEntry(entry: AuditEntry): Promise<void> {
  const random = randomBytes(6);
  const shard = (random[0] ?? 0) % SHARDS;
  const at = `${entry.at}#${random.toString("hex")}`;
  const ttl = expiresIn(keptSeconds.auditEntry);
  await putItem({ ...keys.audit({ day: dayOf(entry), shard, at }), ...entry, ttl });
}

/** The entries of a day, newest first. */
export async function listAudit(day: string, { limit, after }: Page): Promise<Listed<AuditEntry>> {
  const shards = Array.from(
    { length: SHARDS },
    (_, shard) => keys.audit({ day, shard, at: "" }).pk,
  );
  const pages = await Promise.all(
    shards.map((pk) =>
      queryItems({
        partition: ["pk", pk],
        limit,
        newestFirst: true,
        ...(after === undefined ? {} : { after: { pk, sk: `${PREFIX}${after}` } }),
      }),
    ),
  );
  const found = pages.flatMap(({ items }) => items).sort(newestFirst);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const isCut = found.length > limit || pages.some(({ more }) => more);
  return {
    items: items.map((item) => AuditEntry.parse(entryOf(item))),
    ...(isCut && last !== undefined ? { next: String(last.sk).slice(PREFIX.length) } : {}),
  };
}

function entryOf({ pk: _, sk: __, ttl: ___, ...entry }: Item): Item {
  return entry;
}

function newestFirst(one: Item, other: Item): number {
  return String(one.sk) < String(other.sk) ? 1 : -1;
}

function dayOf({ at }: AuditEntry): string {
  return at.slice(0, 10);
}
