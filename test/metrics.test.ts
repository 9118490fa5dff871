import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, it } from "vitest";
import { agentMetrics, countedMetrics, type Metric, readMetrics } from "../core/metrics.ts";
import { dashboards } from "../scripts/grafana/dashboards.ts";
import { dashboardJson } from "../scripts/grafana/panel.ts";
import { METRICS_REFERENCE, metricsReference } from "../scripts/metrics-reference.ts";
import { hasPromtool } from "./promtool.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");
const rules = read("ops/alerts.yml");
const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name);

const unlessPromtool = hasPromtool() ? "" : " (skipped: promtool is not installed)";

describe("the page of metrics", () => {
  it("is what `npm run docs:metrics` writes", () => {
    expect(read(METRICS_REFERENCE)).toBe(metricsReference());
  });
});

/** Names of metrics in an expression that do not exist, and what PromQL's grammar does not take. */
function faultsOf(expr: string): string[] {
  const faults: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      const text = expr.slice(from, to);
      if (type.isError) faults.push(`${expr}: error at ${from}`);
      if (type.name !== "Identifier" || !text.startsWith("switchyard_")) return;
      if (!isKnown(text)) faults.push(`${expr}: no metric ${text}`);
    },
  });
  return faults;
}

const known: Record<string, Metric> = { ...countedMetrics, ...readMetrics, ...agentMetrics };

/** A histogram has series of its own, and none by its name alone. */
function isKnown(name: string): boolean {
  const family = name.replace(/_(bucket|sum|count)$/, "");
  const isHistogram = known[family]?.type === "histogram";
  return family === name ? Object.hasOwn(known, name) && !isHistogram : isHistogram;
}

describe("the check of expressions", () => {
  it.each([
    ["sum(switchyard_vms_unknown", "error at"],
    ["switchyard_no_such_metric > 0", "no metric switchyard_no_such_metric"],
    ["rate(switchyard_migration_downtime_seconds[1h])", "no metric"],
    ["switchyard_vms_unknown_bucket", "no metric"],
  ])("finds what is wrong in %s", (expr, fault) => {
    expect(faultsOf(expr).join()).toContain(fault);
  });
});

describe("the dashboards for Grafana", () => {
  it.each(dashboards)("are what `npm run ops:grafana` writes: $name", (dashboard) => {
    expect(read(`ops/grafana/${dashboard.name}.json`)).toBe(dashboardJson(dashboard));
  });

  it("have only expressions that PromQL takes, of metrics that exist", () => {
    const all = dashboards.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries));
    // A variable of Grafana's, which is a time when it is asked.
    const faults = all.flatMap(([, expr]) => faultsOf(expr.replaceAll("$__rate_interval", "5m")));
    expect(faults).toEqual([]);
  });

  it.each(dashboards)("are 24 columns wide, and no panel covers another: $name", (dashboard) => {
    const { panels } = JSON.parse(dashboardJson(dashboard)) as {
      panels: { gridPos: Record<"x" | "y" | "w" | "h", number> }[];
    };
    const taken = new Set<string>();
    for (const { gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`)).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe("the alerts", () => {
  it("have only expressions that PromQL takes, of metrics that exist", () => {
    const expressions = [...rules.matchAll(/^ {8}expr: (.+)$/gm)].map(([, expr = ""]) => expr);
    expect(expressions).toHaveLength(alerts.length);
    expect(expressions.flatMap(faultsOf)).toEqual([]);
  });

  it("have a place in the page that says what to do, and a test", () => {
    const page = read("docs/operate/metrics.md");
    const tests = read("ops/alerts.test.yml");
    const isMissing = (name: string) => !page.includes(`\`${name}\``) || !tests.includes(name);
    expect(alerts.filter(isMissing)).toEqual([]);
  });

  it.skipIf(!hasPromtool())(`pass promtool${unlessPromtool}`, () => {
    execFileSync("promtool", ["check", "rules", "ops/alerts.yml"], { cwd: root });
    execFileSync("promtool", ["test", "rules", "ops/alerts.test.yml"], { cwd: root });
  });
});
