export function sum<T>(list: Iterable<T>, value: (entry: T) => number): number {
  let total = 0;
  for (const entry of list) total += value(entry);
  return total;
}

/** The least of the values; infinite of none. */
export function leastOf<T>(list: Iterable<T>, value: (entry: T) => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const entry of list) least = Math.min(least, value(entry));
  return least;
}
