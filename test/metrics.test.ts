import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { countedMetrics, readMetrics } from "../core/metrics.ts";
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

describe("the alerts", () => {
  it("name only metrics that exist", () => {
    const known = new Set(Object.keys({ ...countedMetrics, ...readMetrics }));
    const named = [...rules.matchAll(/switchyard_\w+/g)].map(([name]) =>
      name.replace(/_(bucket|sum|count)$/, ""),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
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
