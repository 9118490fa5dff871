import { describe, expect, it } from "vitest";
import { heatOf } from "./heat.ts";
import { summarizeRecent } from "./recent-summary.ts";

describe("the map of hosts", () => {
  it("has a cell for each host, by name, with its committed memory and a letter of its state", () => {
    const usage = { reservedBytes: 50, memoryBytes: 200, outgoing: 1, incoming: 0 };
    const hosts = [
      { id: "host-10", state: "silent", vms: 2, usage },
      { id: "host-9", state: "active", vms: 0 },
    ];
    const cells = heatOf({ hosts } as never);
    expect(cells.map(({ host, letter, share }) => [host, letter, share])).toEqual([
      ["host-9", "", undefined],
      ["host-10", "!", 0.25],
    ]);
  });
});

describe("the last day", () => {
  it("is counted by outcome, with the downtimes of what is done", () => {
    const done = (downtimeMs: number) => ({ status: "completed", figures: { downtimeMs } });
    const migrations = [done(30), done(10), done(20), { status: "failed" }, { status: "running" }];
    expect(summarizeRecent(migrations as never)).toEqual({
      done: 3,
      failed: 1,
      cancelled: 0,
      unknown: 0,
      downtime: { p50: 20, p99: 30, worst: 30 },
    });
  });

  it("has no downtimes without a completed migration", () => {
    expect(summarizeRecent([]).downtime).toBeUndefined();
  });
});
