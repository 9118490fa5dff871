import type { Labels } from "./metrics.ts";

/** One value of a metric. */
export type Value = { readonly metric: string; readonly labels: Labels; readonly value: number };

/** Of CloudWatch: metrics of one document, and values of one metric in it. */
const METRICS_MAX = 100;
const VALUES_MAX = 100;

type Unit = "Seconds" | "Bytes" | "Count" | "None";

/**
 * Values as documents of CloudWatch's embedded metric format, one for each set of labels, which become
 * its dimensions. Each is to be one line of a function's log.
 *
 * Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
 */
export function emfDocuments(values: readonly Value[], namespace: string, atMs: number): object[] {
  const sets = Map.groupBy(values, ({ labels }) => JSON.stringify(Object.entries(labels).sort()));
  return [...sets.values()].flatMap((some) => {
    const lists = [...Map.groupBy(some, ({ metric }) => metric)].flatMap(([name, ofName]) =>
      slices(ofName, VALUES_MAX).map((part) => [name, part.map(({ value }) => value)] as const),
    );
    const labels = some[0]?.labels ?? {};
    return documentsOf(lists).map((metrics) => ({
      _aws: {
        Timestamp: atMs,
        CloudWatchMetrics: [
          {
            Namespace: namespace,
            Dimensions: [Object.keys(labels)],
            Metrics: [...metrics.keys()].map((Name) => ({ Name, Unit: unitOf(Name) })),
          },
        ],
      },
      ...labels,
      ...Object.fromEntries(metrics),
    }));
  });
}

type List = readonly [name: string, values: readonly number[]];

/** A document has each metric once. */
function documentsOf(lists: readonly List[]): Map<string, readonly number[]>[] {
  const documents: Map<string, readonly number[]>[] = [];
  for (const [name, values] of lists) {
    const place = documents.find((one) => one.size < METRICS_MAX && !one.has(name));
    if (place === undefined) documents.push(new Map([[name, values]]));
    else place.set(name, values);
  }
  return documents;
}

function slices<T>(all: readonly T[], sizeMax: number): T[][] {
  const count = Math.ceil(all.length / sizeMax);
  return Array.from({ length: count }, (_, at) => all.slice(at * sizeMax, (at + 1) * sizeMax));
}

/** By what metrics' names end in. */
function unitOf(name: string): Unit {
  if (/_timestamp_seconds$|_ratio$/.test(name)) return "None";
  if (name.endsWith("_seconds")) return "Seconds";
  return /_bytes(_total)?$/.test(name) ? "Bytes" : "Count";
}
