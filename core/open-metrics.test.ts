import { describe, expect, it } from "vitest";
import { countedMetrics, readMetrics } from "./metrics.ts";
import type { Observation } from "./observations.ts";
import { additionsOf, openMetricsText } from "./open-metrics.ts";

function sumsOf(observations: Observation[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const one of observations) {
    for (const [name, value] of additionsOf(one)) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return sums;
}

describe("OpenMetrics", () => {
  it("adds up the buckets of a histogram, and ends with EOF", () => {
    const metric = "switchyard_migration_passes";
    const sums = sumsOf([2, 3, 3, 99].map((value) => ({ metric, labels: {}, value })));
    const text = openMetricsText(sums, [], { [metric]: countedMetrics[metric] });
    expect(text.split("\n")).toEqual([
      `# TYPE ${metric} histogram`,
      `# HELP ${metric} Passes over RAM of completed migrations`,
      `${metric}_bucket{le="1"} 0`,
      `${metric}_bucket{le="2"} 1`,
      `${metric}_bucket{le="3"} 3`,
      `${metric}_bucket{le="5"} 3`,
      `${metric}_bucket{le="8"} 3`,
      `${metric}_bucket{le="13"} 3`,
      `${metric}_bucket{le="21"} 3`,
      `${metric}_bucket{le="34"} 3`,
      `${metric}_bucket{le="+Inf"} 4`,
      `${metric}_sum 107`,
      `${metric}_count 4`,
      "# EOF",
      "",
    ]);
  });

  it("keeps series with labels apart, and escapes values", () => {
    const metric = "switchyard_migrations_total";
    const sums = sumsOf(
      ["completed", 'a"b\\c', "completed"].map((outcome) => ({
        metric,
        labels: { outcome },
        value: 1,
      })),
    );
    const text = openMetricsText(sums, [], { [metric]: countedMetrics[metric] });
    expect(text).toContain("# TYPE switchyard_migrations counter");
    expect(text).toContain('switchyard_migrations_total{outcome="a\\"b\\\\c"} 1');
    expect(text).toContain('switchyard_migrations_total{outcome="completed"} 2');
  });
});

describe("the metrics", () => {
  it("follow the naming rules: a prefix, base units, `_total` for counters", () => {
    for (const [name, { type, help }] of Object.entries({ ...countedMetrics, ...readMetrics })) {
      expect(name).toMatch(/^switchyard_[a-z_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      expect(name).not.toMatch(/_(ms|millis|percent|mib|gib)\b/);
      expect(help).toMatch(/^[A-Z].*[^.]$/);
    }
  });

  it("have buckets that grow", () => {
    for (const metric of Object.values(countedMetrics)) {
      if (metric.type !== "histogram") continue;
      expect(metric.buckets.toSorted((a, b) => a - b)).toEqual(metric.buckets);
    }
  });
});
