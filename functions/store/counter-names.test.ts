import { describe, expect, it } from "vitest";
import { countedMetrics, type Metric } from "../../core/metrics.ts";
import { additionsOf, series } from "../../core/open-metrics.ts";
import { attributeOf, seriesOf } from "./counter-names.ts";

const definitions: [string, Metric][] = Object.entries(countedMetrics);
const labelsOf = ({ labels }: Metric) =>
  Object.fromEntries(labels.map((label) => [label, `a-${label}`]));

describe("the attribute of a series", () => {
  it.each(definitions)("of %s is short, and says which series it is", (metric, definition) => {
    const values = [...(definition.buckets ?? []), 1e9];
    const all = values.flatMap((value) => [
      ...additionsOf({ metric: metric as never, labels: labelsOf(definition), value }).keys(),
    ]);
    for (const name of all) {
      expect(seriesOf(attributeOf(name))).toBe(name);
      expect(attributeOf(name).length).toBeLessThan(name.length / 2);
    }
  });

  it("is of one series only", () => {
    const shorts = definitions.map(([, { short }]) => short);
    expect(shorts).not.toContain(undefined);
    expect(new Set(shorts).size).toBe(shorts.length);
  });

  it.each([
    series("switchyard_migrations_total", { outcome: 'a "b"' }),
    series("switchyard_migrations_total", { outcome: "a|b" }),
    series("switchyard_migrations_total", { other: "a" }),
    "switchyard_unheard_of_total",
  ])("is its own name where that cannot be shortened: %s", (name) => {
    expect(attributeOf(name)).toBe(name);
    expect(seriesOf(name)).toBe(name);
  });
});
