/** Median, and the figures a reader needs to judge it. */
export type Spread = { median: number; min: number; max: number; runs: number };

/** @throws RangeError when there is nothing to sum up. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => {
    const value = sorted[index];
    if (value === undefined) throw new RangeError("Expected at least one value");
    return value;
  };
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return {
    median: round(median),
    min: round(at(0)),
    max: round(at(sorted.length - 1)),
    runs: sorted.length,
  };
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
