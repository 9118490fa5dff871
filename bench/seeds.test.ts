import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { measureDowntimeMs } from "./seeds-model.ts";

type Report = {
  rows: Array<{ name: string; publishedMs: number; errorPercent: number }>;
  constants: Record<string, Record<string, number>>;
  beyond: Array<{ label: string }>;
};

describe("bench:seeds", () => {
  it("comes within 10 % of all six published downtimes, with two constants a class", () => {
    const text = execFileSync(process.execPath, ["bench/seeds.ts", "--json"], { encoding: "utf8" });
    const report = JSON.parse(text.trim().split("\n").at(-1) ?? "") as Report;
    expect(report.rows.map(({ publishedMs }) => publishedMs)).toEqual([
      1900, 420, 2100, 2300, 1100, 1200,
    ]);
    for (const { errorPercent } of report.rows)
      expect(Math.abs(errorPercent)).toBeLessThanOrEqual(10);
    for (const fitted of Object.values(report.constants)) {
      expect(Object.keys(fitted)).toHaveLength(2);
    }
    expect(report.beyond.every(({ label }) => label === "prediction")).toBe(true);
  });

  it("gives a longer downtime to slower devices", () => {
    const scenario = {
      name: "any",
      devices: 2,
      stateBytes: 100e6,
      ack: true,
      tls: false,
      dedicatedChannels: 0,
    };
    const downtimeMs = (stateBytesPerSecond: number) =>
      measureDowntimeMs(scenario, { stateBytesPerSecond, loadMs: 10 }, "final");
    expect(downtimeMs(0.5e9)).toBeGreaterThan(downtimeMs(1e9) + 100);
  });
});
