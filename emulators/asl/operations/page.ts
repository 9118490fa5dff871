import { ServiceError } from "../errors.ts";
import { PAGE_SIZE } from "./input.ts";

type PageInput = {
  readonly maxResults?: number | undefined;
  readonly nextToken?: string | undefined;
};

export type Page<T> = {
  readonly items: readonly T[];
  readonly next: { readonly nextToken?: string };
};

/**
 * One page of a list. The token names the last item sent, so items that come or go meanwhile
 * neither repeat nor hide others.
 * @param sortKeyOf gives each item its own key; the list is sorted by it
 * @throws ServiceError `InvalidToken` if the token is none of ours
 */
export function pageOf<T>(
  items: readonly T[],
  input: PageInput,
  sortKeyOf: (item: T) => string,
): Page<T> {
  const size = input.maxResults || PAGE_SIZE;
  const after = input.nextToken === undefined ? undefined : decode(input.nextToken);
  const sorted = items
    .map((item) => ({ item, key: sortKeyOf(item) }))
    .filter(({ key }) => after === undefined || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const page = sorted.slice(0, size);
  const last = page.at(-1);
  const hasMore = sorted.length > page.length && last !== undefined;
  return {
    items: page.map(({ item }) => item),
    next: hasMore ? { nextToken: encode(last.key) } : {},
  };
}

/** Sorts later times first: for keys of `pageOf`. */
export function descending(timeMs: number): string {
  return String(Number.MAX_SAFE_INTEGER - timeMs).padStart(16, "0");
}

/** Sorts smaller numbers first: for keys of `pageOf`. */
export function ascending(value: number): string {
  return String(value).padStart(16, "0");
}

const PREFIX = "after:";

function encode(key: string): string {
  return Buffer.from(PREFIX + key).toString("base64url");
}

function decode(token: string): string {
  const text = Buffer.from(token, "base64url").toString("utf8");
  if (text.startsWith(PREFIX)) return text.slice(PREFIX.length);
  throw new ServiceError("InvalidToken", `Invalid Token: '${token}'`);
}
