import { randomBytes } from "node:crypto";
import { keys } from "./keys.ts";
import { type Item, type Key, queryItems } from "./table.ts";

/** Entries by time, a day in so many partitions: one takes about 1,000 writes a second. */
export type DayLog = { readonly name: "AUDIT" | "FLEET"; readonly shards: number };

/** Where an entry of this moment is written; its partition is drawn. */
export function entryKey({ name, shards }: DayLog, at: string): Key {
  const random = randomBytes(6);
  const shard = (random[0] ?? 0) % shards;
  return keys.dayLog({
    log: name,
    day: at.slice(0, 10),
    shard,
    at: `${at}#${random.toString("hex")}`,
  });
}

type DayPage = {
  readonly limit: number;
  readonly newestFirst: boolean;
  /** Cursor of an entry, or an instant: the page begins after it. */
  readonly after?: string | undefined;
};

/** Entries that one partition is asked for at least. */
const PARTITION_MIN = 10;

/**
 * Entries of one day, all partitions merged; a page may be shorter than its limit. `isCut`: there are
 * more.
 */
export async function readDay(
  { name, shards }: DayLog,
  day: string,
  { limit, newestFirst, after }: DayPage,
): Promise<{ items: Item[]; isCut: boolean }> {
  // Entries are spread evenly: twice the share of a partition is rarely too little.
  const share = Math.min(limit, Math.max(PARTITION_MIN, Math.ceil((2 * limit) / shards)));
  const pages = await Promise.all(
    Array.from({ length: shards }, (_, shard) => {
      const { pk, sk } = keys.dayLog({ log: name, day, shard, at: after ?? "" });
      return queryItems({
        partition: ["pk", pk],
        limit: share,
        newestFirst,
        ...(after === undefined ? {} : { after: { pk, sk } }),
      });
    }),
  );
  const isBefore = (one: Item, other: Item) => cursorOf(one) < cursorOf(other) !== newestFirst;
  // What lies behind the last entry of a partition with more may have entries of it before it.
  const ends = pages.flatMap(({ items, more }) => (more ? items.slice(-1) : []));
  const known = pages
    .flatMap(({ items }) => items)
    .filter((item) => !ends.some((end) => isBefore(end, item)))
    .sort((one, other) => (isBefore(one, other) ? -1 : 1));
  return { items: known.slice(0, limit), isCut: known.length > limit || ends.length > 0 };
}

/** The place of an entry within all days. */
export function cursorOf({ sk }: Item): string {
  return String(sk).slice("AT#".length);
}

/** The entry as it was written, without its keys. */
export function contentOf({ pk: _, sk: __, ttl: ___, ...content }: Item): Item {
  return content;
}
