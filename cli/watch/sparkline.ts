const BARS = "▁▂▃▄▅▆▇█";

/** The newest values as bars, the largest of them as the highest. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const largest = Math.max(...shown, 1);
  return shown
    .map((value) => BARS.charAt(Math.min(7, Math.floor((Math.max(0, value) / largest) * 7.99))))
    .join("");
}

/** A horizontal bar of a share from 0 to 1. */
export function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${"█".repeat(filled)}${"░".repeat(width - filled)}`;
}
