import { describe, expect, it } from "vitest";
import { allPhases, isFinal, MigrationStatus, nextPhases, type Phase } from "./migration.ts";
import { forwardPhases } from "./phases.ts";

const startMs = Date.UTC(2026, 0, 1);
const at = (name: Phase, ms: number) => ({
  name,
  startedAt: new Date(startMs + ms).toISOString(),
});
const begun = [
  at("admit", 0),
  at("probe", 10),
  at("negotiate", 20),
  at("prepare", 30),
  at("precopy", 40),
];
const NOW_MS = 1_000;

describe("all phases of a completed migration", () => {
  type HostTimes = [stoppedMs: number | undefined, completedMs: number | undefined];
  const cases: [string, ReturnType<typeof at>[], HostTimes, number[]][] = [
    [
      "none skipped",
      [at("await-ack", 50), at("switchover", 60), at("confirm", 70)],
      [1, 1],
      [50, 60, 70],
    ],
    ["all skipped", [], [500, 600], [500, 500, 600]],
    ["two skipped", [at("confirm", 700)], [500, 600], [500, 500, 700]],
    ["one skipped", [at("switchover", 450), at("confirm", 700)], [500, 600], [450, 450, 700]],
    ["a host's clock ahead", [], [5_000, 6_000], [NOW_MS, NOW_MS, NOW_MS]],
    ["a host's clock behind", [at("confirm", 700)], [-5_000, -6_000], [40, 40, 700]],
    ["no times of the hosts", [at("confirm", 700)], [undefined, undefined], [700, 700, 700]],
  ];
  it.each(cases)("%s", (_, later, [stopped, completed], expected) => {
    const hostTimes = {
      stoppedAtMs: stopped === undefined ? undefined : startMs + stopped,
      sourceCompletedAtMs: completed === undefined ? undefined : startMs + completed,
    };
    const phases = allPhases([...begun, ...later], hostTimes, startMs + NOW_MS);
    expect(phases.map(({ name }) => name)).toEqual([...forwardPhases]);
    expect(phases.slice(0, 5)).toEqual(begun);
    expect(phases.slice(5).map(({ startedAt }) => Date.parse(startedAt) - startMs)).toEqual(
      expected,
    );
  });

  it("returns a way back unchanged", () => {
    const entered = [...begun, at("reconcile", 50), at("confirm", 60)];
    expect(allPhases(entered, {}, startMs + NOW_MS)).toEqual(entered);
  });
});

it("no forward phase leads to an earlier one", () => {
  for (const [place, phase] of forwardPhases.entries()) {
    const earlier = new Set<Phase>(forwardPhases.slice(0, place + 1));
    expect(nextPhases(phase).filter((next) => earlier.has(next))).toEqual([]);
  }
});

it.each<[Phase, readonly Phase[]]>([
  ["admit", ["probe", "reconcile"]],
  ["prepare", ["precopy", "reconcile"]],
  ["precopy", ["await-ack", "switchover", "confirm", "reconcile"]],
  ["switchover", ["confirm", "reconcile", "postcopy"]],
  ["confirm", ["end", "reconcile"]],
  ["reconcile", ["confirm", "undo", "end", "postcopy"]],
  ["undo", ["reconcile", "end"]],
  ["postcopy", ["confirm", "reconcile", "end"]],
  ["end", []],
])("after %s comes one of %j", (phase, next) => {
  expect(nextPhases(phase)).toEqual(next);
});

it("every status but running is final", () => {
  const open = MigrationStatus.options.filter((status) => !isFinal(status));
  expect(open).toEqual(["running"]);
});
