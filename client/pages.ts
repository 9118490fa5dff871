type Page = { limit?: number; after?: string };
type Listed<T> = { items: T[]; next?: string | undefined };

/** What one request asks for at most. */
const PAGE_MAX = 100;

/** The entries of a list, page after page; at most `itemsMax`. */
export async function* entriesOf<T>(
  list: (page: Page) => Promise<Listed<T>>,
  itemsMax = Number.POSITIVE_INFINITY,
): AsyncGenerator<T> {
  let left = itemsMax;
  let after: string | undefined;
  do {
    const limit = Math.min(PAGE_MAX, left);
    const page = await list({ limit, ...(after === undefined ? {} : { after }) });
    for (const item of page.items) yield item;
    left -= page.items.length;
    after = page.next;
  } while (after !== undefined && left > 0);
}

/** All of them, or the first `itemsMax`. */
export async function allOf<T>(
  list: (page: Page) => Promise<Listed<T>>,
  itemsMax?: number,
): Promise<T[]> {
  const all: T[] = [];
  for await (const item of entriesOf(list, itemsMax)) all.push(item);
  return all;
}

/** Calls `work` for each item, with a bounded number at the same time; answers in the items' order. */
export async function mapTogether<T, R>(
  items: readonly T[],
  togetherMax: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let place = 0; place < items.length; place += togetherMax) {
    results.push(...(await Promise.all(items.slice(place, place + togetherMax).map(work))));
  }
  return results;
}
