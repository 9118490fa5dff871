import { getItems, type Item, type Key, queryItems } from "./table.ts";
import { GSI1 } from "./table-schema.ts";

/** A page of a list: at most `limit` (1..100) entries after the one named. */
export type Page = { limit: number; after?: string | undefined };
export type Listed<T> = { items: T[]; next?: string };

/** Queries made to fill one page when a filter leaves most items out. */
const QUERIES_MAX = 10;

type Listing<Id extends string, T> = {
  /** Value of gsi1pk: one list is one partition of the index. */
  partition: string;
  keyOf: (id: Id) => Key;
  read: (item: unknown) => T;
  page: Page;
  newestFirst?: boolean;
  filter?: string;
  values?: Record<string, unknown>;
};

/**
 * A page of the index. `next` is the id to go on after: the ids are the index's sort keys, so a
 * cursor holds nothing but an id and cannot reach into another list. A page may be shorter than its
 * limit and still have a `next` when a filter leaves out very many.
 */
export async function pageOf<Id extends string, T>(listing: Listing<Id, T>): Promise<Listed<T>> {
  const { partition, page } = listing;
  const found: Item[] = [];
  let after = page.after;
  for (let query = 0; query < QUERIES_MAX; query += 1) {
    const { items, more, last } = await ask(listing, partition, after, page.limit - found.length);
    found.push(...items);
    after = more ? last : undefined;
    if (after === undefined || found.length >= page.limit) break;
  }
  const items = await whole(found);
  return {
    items: items.map((item) => listing.read(item)),
    ...(after === undefined ? {} : { next: after }),
  };
}

/** The index holds keys and little more. What was removed meanwhile is left out. */
async function whole(found: Item[]): Promise<Item[]> {
  const nameOf = ({ pk, sk }: Item) => `${pk} ${sk}`;
  const rows = await getItems(found.map(({ pk, sk }) => ({ pk: String(pk), sk: String(sk) })));
  const byName = new Map(rows.map((row) => [nameOf(row), row]));
  return found.flatMap((item): Item[] => {
    const row = byName.get(nameOf(item));
    return row === undefined ? [] : [row];
  });
}

async function ask<Id extends string, T>(
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
