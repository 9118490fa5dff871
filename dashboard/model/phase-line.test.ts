import { describe, expect, it } from "vitest";
import { phaseLine } from "./phase-line.ts";

const phases = [
  { name: "admit", startedAt: "2026-11-30T10:00:00.000Z" },
  { name: "probe", startedAt: "2026-11-30T10:00:01.000Z" },
];
const nowMs = Date.parse("2026-11-30T10:00:03.000Z");

function line(migration: object): string[] {
  const steps = phaseLine({ phases, status: "running", ...migration } as never, nowMs);
  return steps.map(({ name, state, ms }) => `${name} ${state} ${ms ?? "-"}`);
}

describe("the phases of a migration", () => {
  it("are those that are over, the one that goes on, and those to come", () => {
    expect(line({}).slice(0, 3)).toEqual([
      "admit done 1000",
      "probe current 2000",
      "negotiate future -",
    ]);
    expect(line({})).toHaveLength(8);
  });

  it("name the one in which it failed, and those that did not come", () => {
    const endedAt = "2026-11-30T10:00:02.000Z";
    const failed = line({ status: "failed", endedAt, failure: { phase: "probe" } });
    expect(failed.slice(1, 3)).toEqual(["probe failed 1000", "negotiate skipped -"]);
    const end = { name: "end", startedAt: endedAt };
    const recorded = { status: "failed", endedAt, phases: [...phases, end] };
    expect(line({ ...recorded, failure: { phase: "probe" } })[2]).toBe("end done 0");
    expect(line(recorded)[2]).toBe("end failed 0");
  });

  it("are all done at the end", () => {
    const done = line({ status: "completed", endedAt: "2026-11-30T10:00:02.500Z" });
    expect(done).toEqual(["admit done 1000", "probe done 1500"]);
  });

  it("go on with the way back", () => {
    const back = [...phases, { name: "reconcile", startedAt: "2026-11-30T10:00:02.000Z" }];
    const steps = line({ phases: back, failure: { phase: "probe" } });
    expect(steps.slice(1, 4)).toEqual([
      "probe failed 1000",
      "reconcile current 1000",
      "negotiate skipped -",
    ]);
  });
});
