import { getItems, type Item, type Key, queryItems } from "./table.ts";
import { GSI1 } from "./table-schema.ts";

/** A page of a list: at most `limit` (1..100) entries after the one named. */
export type Page = { limit: number; after?: string | undefined };
export type Listed<T> = { items: T[]; next?: string };

/** Queries for one page, when a filter drops most items. */
const QUERIES_MAX = 10;

type Listing<Id extends string, T> = {
  /** Values of gsi1pk: a list is one partition of the index, or several. */
  partitions: readonly string[];
  keyOf: (id: Id) => Key;
  read: (item: unknown) => T;
  page: Page;
  newestFirst?: boolean;
  filter?: string;
  values?: Record<string, unknown>;
};

/**
 * A page of the index, its partitions merged. `next` is the id after which the following page begins.
 * Ids are the index's sort keys, so a cursor is an id and cannot reach into another list. When a filter
 * drops very many items, a page may be shorter than its limit and still have a `next`.
 */
export async function pageOf<Id extends string, T>(listing: Listing<Id, T>): Promise<Listed<T>> {
  const { page } = listing;
  const found: Item[] = [];
  let after = page.after;
  for (let queries = 0; queries < QUERIES_MAX; queries += 1) {
    const part = await readPart(listing, after, page.limit - found.length);
    found.push(...part.items);
    after = part.next;
    if (after === undefined || found.length >= page.limit) break;
  }
  const items = await readWhole(found);
  return {
    items: items.map((item) => listing.read(item)),
    ...(after === undefined ? {} : { next: after }),
  };
}

/** The next items of all partitions in their order; `next`: the last one that was looked at. */
async function readPart<Id extends string, T>(
  listing: Listing<Id, T>,
  after: string | undefined,
  limit: number,
): Promise<{ items: Item[]; next: string | undefined }> {
  const pages = await Promise.all(
    listing.partitions.map((partition) => query(listing, partition, after, limit)),
  );
  const isAfter = (one: string, other: string) =>
    listing.newestFirst === true ? one < other : one > other;
  const inOrder = (one: string, other: string) => (isAfter(one, other) ? 1 : -1);
  // A partition that has more has it behind this place.
  const [end] = pages.flatMap(({ more, last }) => (more && last ? [last] : [])).sort(inOrder);
  const known = pages
    .flatMap(({ items }) => items)
    .filter((item) => end === undefined || !isAfter(placeOf(item), end))
    .sort((one, other) => inOrder(placeOf(one), placeOf(other)));
  const items = known.slice(0, limit);
  const [last] = items.slice(-1);
  const isCut = known.length > limit && last !== undefined;
  return { items, next: isCut ? placeOf(last) : end };
}

function placeOf({ gsi1sk }: Item): string {
  return String(gsi1sk);
}

/** Reads the whole items: the index has little more than keys. Removed items are left out. */
async function readWhole(found: Item[]): Promise<Item[]> {
  const nameOf = ({ pk, sk }: Item) => `${pk} ${sk}`;
  const rows = await getItems(found.map(({ pk, sk }) => ({ pk: String(pk), sk: String(sk) })));
  const byName = new Map(rows.map((row) => [nameOf(row), row]));
  return found.flatMap((item): Item[] => {
    const row = byName.get(nameOf(item));
    return row === undefined ? [] : [row];
  });
}

async function query<Id extends string, T>(
  listing: Listing<Id, T>,
  partition: string,
  after: string | undefined,
  limit: number,
) {
  return queryItems({
    index: GSI1,
    partition: ["gsi1pk", partition],
    limit,
    ...(listing.newestFirst === undefined ? {} : { newestFirst: listing.newestFirst }),
    ...(listing.filter === undefined ? {} : { filter: listing.filter }),
    ...(listing.values === undefined ? {} : { values: listing.values }),
    ...(after === undefined
      ? {}
      : { after: { ...listing.keyOf(after as Id), gsi1pk: partition, gsi1sk: after } }),
  });
}
