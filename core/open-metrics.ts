import { type CountedName, countedMetrics, type Labels, type Metric } from "./metrics.ts";
import type { Observation } from "./observations.ts";

/** Sums by a series' name; a histogram has one for each bucket, its sum and its count. */
export type Sums = ReadonlyMap<string, number>;

/** A value at this moment. */
export type Reading = { readonly metric: string; readonly labels: Labels; readonly value: number };

const INFINITY = "+Inf";

/**
 * What an observation adds to which series. Buckets hold their own values only; the text adds up
 * those below.
 */
export function additionsOf({ metric, labels, value }: Observation): Map<string, number> {
  const definition: Metric = countedMetrics[metric];
  if (definition.type === "counter") return new Map([[series(metric, labels), value]]);
  const bound = definition.buckets?.find((one) => value <= one);
  const le = bound === undefined ? INFINITY : String(bound);
  return new Map([
    [series(`${metric}_bucket`, { ...labels, le }), 1],
    [series(`${metric}_sum`, labels), value],
    [series(`${metric}_count`, labels), 1],
  ]);
}

/** `name{label="value"}`, labels in their order. */
export function series(name: string, labels: Labels): string {
  const parts = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return parts.length === 0 ? name : `${name}{${parts.join(",")}}`;
}

/** The OpenMetrics text of sums and readings (OpenMetrics 1.0). */
export function openMetricsText(
  sums: Sums,
  readings: readonly Reading[],
  definitions: Readonly<Record<string, Metric>>,
): string {
  const byMetric = Map.groupBy(readings, ({ metric }) => metric);
  const lines = Object.entries(definitions).flatMap(([name, definition]) => [
    ...head(name, definition),
    ...(name in countedMetrics
      ? countedLines(name as CountedName, sums)
      : (byMetric.get(name) ?? []).map(
          ({ labels, value }) => `${series(name, labels)} ${number(value)}`,
        )),
  ]);
  return [...lines, "# EOF", ""].join("\n");
}

/** A counter's family has no `_total`, which its series have. */
function head(name: string, { type, help }: Metric): string[] {
  const family = name.replace(/_total$/, "");
  return [`# TYPE ${family} ${type}`, `# HELP ${family} ${escaped(help)}`];
}

function countedLines(metric: CountedName, sums: Sums): string[] {
  const definition: Metric = countedMetrics[metric];
  if (definition.type === "counter") {
    return [...sums]
      .filter(([name]) => nameOf(name) === metric)
      .toSorted(byName)
      .map(([name, value]) => `${name} ${number(value)}`);
  }
  const counts = [...sums].filter(([name]) => nameOf(name) === `${metric}_count`).toSorted(byName);
  return counts.flatMap(([name, count]) => {
    const labels = name.slice(`${metric}_count`.length).replace(/^\{|\}$/g, "");
    let below = 0;
    const buckets = [...(definition.buckets ?? []).map(String), INFINITY].map((le) => {
      const bucket = `${metric}_bucket{${labels === "" ? "" : `${labels},`}le="${le}"}`;
      below += sums.get(bucket) ?? 0;
      return `${bucket} ${below}`;
    });
    const sum = sums.get(name.replace("_count", "_sum")) ?? 0;
    return [...buckets, `${name.replace("_count", "_sum")} ${number(sum)}`, `${name} ${count}`];
  });
}

function nameOf(name: string): string {
  return name.replace(/\{.*/, "");
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function number(value: number): string {
  return String(value);
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
