import type { Metric } from "./metrics.ts";
import { type Reading, series } from "./open-metrics.ts";

/**
 * Readings in Prometheus's own text format, as node_exporter's textfile collector reads it: no `# EOF`,
 * and a counter's `TYPE` has its whole name.
 *
 * Source: Prometheus, "Exposition formats", text format 0.0.4.
 */
export function prometheusText(
  readings: readonly Reading[],
  definitions: Readonly<Record<string, Metric>>,
): string {
  const byMetric = Map.groupBy(readings, ({ metric }) => metric);
  return Object.entries(definitions)
    .flatMap(([name, { type, help }]) => {
      const values = byMetric.get(name) ?? [];
      if (values.length === 0) return [];
      const lines = values.map(({ labels, value }) => `${series(name, labels)} ${value}`);
      return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
    })
    .map((line) => `${line}\n`)
    .join("");
}
