import { agentMetrics, countedMetrics, type Metric, readMetrics } from "../core/metrics.ts";

export const METRICS_REFERENCE = "docs/reference/metrics.md";

const HEAD = `# Metrics

What \`GET /metrics\` answers (\`switchyard metrics\`), as OpenMetrics text. \`npm run docs:metrics\`
writes this page from [core/metrics.ts](../../core/metrics.ts), the only place that names them.
[Metrics and alerts](../operate/metrics.md) says how to use them. No label has the id of a VM, a
migration or anything else that comes and goes; the ids of hosts are the only ones.`;

/** The page of all metrics. */
export function metricsReference(): string {
  return [
    HEAD,
    table("At the moment of the request", readMetrics),
    table("Counted, since the table was made", countedMetrics),
    table("Of one host, in the file that its agent writes", agentMetrics),
    "",
  ]
    .join("\n\n")
    .trimEnd()
    .concat("\n");
}

function table(title: string, metrics: Readonly<Record<string, Metric>>): string {
  const rows = Object.entries(metrics).map(([name, { type, labels, help, buckets = [] }]) => {
    const shown = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${shown} | ${help} | ${buckets.join(" ")} |`;
  });
  const head = ["| metric | type | labels | | buckets |", "|---|---|---|---|---|"];
  return [`## ${title}`, "", ...head, ...rows].join("\n");
}
