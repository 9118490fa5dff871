import { describe, expect, it } from "vitest";
import { ganttOf, ticksOf, visibleRows } from "./gantt.ts";

const startedAt = "2026-11-30T10:00:00.000Z";
const at = (ms: number) => new Date(Date.parse(startedAt) + ms).toISOString();
const eta = { plannedMs: 20_000, lowMs: 15_000, highMs: 30_000, lowerBoundMs: 12_000 };
const plan = {
  moves: [
    { vm: "b", source: "host-a", target: "host-b", startAtMs: 10_000, endAtMs: 20_000 },
    { vm: "a", source: "host-a", target: "host-b", startAtMs: 0, endAtMs: 10_000 },
  ],
  unplaced: [{ vm: "gpu" }],
};
const running = { status: "running", eta: { ...eta, remainingMs: 15_000 }, startedAt };
const moved = {
  vm: "a",
  state: "moved",
  source: "host-a",
  target: "host-b",
  startAtMs: 0,
  predictedMs: 10_000,
  tries: [{ migration: "m1", target: "host-b", startedAt: at(500), endedAt: at(9_000) }],
};
const waiting = { ...moved, vm: "b", state: "waiting", startAtMs: 10_000, tries: [] };

function gantt(evacuation: object, moves: object[], clockMs: number) {
  return ganttOf(
    evacuation as never,
    moves as never,
    plan as never,
    Date.parse(startedAt) + clockMs,
  );
}

describe("the chart of an evacuation", () => {
  it("has the plan alone before anybody has approved it", () => {
    const found = gantt({ status: "planned", eta }, [], 0);
    expect(found.nowMs).toBeUndefined();
    expect(found.endMs).toBe(20_000);
    expect(found.rows.map(({ vm, state, planned }) => [vm, state, planned?.fromMs])).toEqual([
      ["a", "planned", 0],
      ["b", "planned", 10_000],
      ["gpu", "unplaced", undefined],
    ]);
  });

  it("has what became of each VM beside its plan, and what is predicted of the rest", () => {
    const found = gantt(running, [moved, waiting], 12_000);
    expect(found).toMatchObject({ nowMs: 12_000, endMs: 27_000, boundMs: 12_000 });
    const [a, b] = found.rows;
    expect(a?.tries).toMatchObject([{ fromMs: 500, toMs: 9_000, outcome: "moved" }]);
    expect(a?.forecast).toBeUndefined();
    expect(b?.forecast).toEqual({ fromMs: 17_000, toMs: 27_000 });
    expect(found.scaleMs).toBeGreaterThan(30_000);
  });

  it("draws a move that goes on up to now, and its predicted rest behind it", () => {
    const tries = [{ migration: "m2", target: "host-b", startedAt: at(11_000) }];
    const [, b] = gantt(running, [moved, { ...waiting, state: "moving", tries }], 15_000).rows;
    expect(b?.tries).toMatchObject([{ fromMs: 11_000, toMs: 15_000, outcome: "moving" }]);
    expect(b?.forecast).toEqual({ fromMs: 15_000, toMs: 21_000 });
  });

  it("marks a try that failed, and predicts nothing after the end", () => {
    const tries = [{ ...moved.tries[0], code: "no-convergence" }];
    const over = { ...running, status: "completed-with-remainder", endedAt: at(40_000) };
    const found = gantt(over, [{ ...moved, state: "failed", tries }, waiting], 99_000);
    expect(found.rows[0]?.tries[0]?.outcome).toBe("failed");
    expect(found.rows[1]?.forecast).toBeUndefined();
    expect(found.endMs).toBe(40_000);
  });
});

describe("an axis of time", () => {
  it.each([
    [1_000, 200, 6],
    [61_000, 10_000, 7],
    [5 * 86_400_000, 86_400_000, 6],
    [100 * 86_400_000, 13 * 86_400_000, 8],
  ])("of %s ms has a tick each %s ms", (scaleMs, step, count) => {
    const ticks = ticksOf(scaleMs, 8);
    expect([ticks[1], ticks.length]).toEqual([step, count]);
  });
});

describe("a long list", () => {
  it("draws the rows in view and some beside them", () => {
    const list = { count: 1_000, rowHeight: 20 };
    expect(visibleRows(list, { top: 4_000, height: 400 })).toEqual({ first: 190, end: 230 });
    expect(visibleRows(list, { top: 0, height: 400 })).toEqual({ first: 0, end: 30 });
    expect(visibleRows(list, { top: 19_600, height: 400 })).toEqual({ first: 970, end: 1_000 });
  });
});
