import { describe, expect, it } from "vitest";
import type { Evacuation, EvacuationMove } from "../../core/evacuation/evacuation.ts";
import { evacuationFrame, evacuationResult } from "./evacuation-lines.ts";
import { exitOfEvacuation } from "./exit-of-evacuation.ts";

const AT = "2026-11-30T10:00:00.000Z";
const counters = {
  total: 4,
  waiting: 1,
  moving: 1,
  noticed: 0,
  retrying: 0,
  moved: 1,
  unplaced: 0,
  failed: 1,
  skipped: 0,
  gone: 0,
};
const evacuation = {
  id: "evac_1",
  status: "running",
  version: 1,
  approvedVersion: 1,
  hosts: [{ host: "host-a", state: "draining", left: 2 }],
  counters,
  eta: { plannedMs: 15_000, lowMs: 8_100, highMs: 21_000, lowerBoundMs: 9_000, remainingMs: 4_200 },
  pauses: [],
  unknownVms: [],
} as unknown as Evacuation;

function move(vm: string, state: string, more: object = {}): EvacuationMove {
  return { vm, state, target: "host-b", tries: [], updatedAt: AT, ...more } as never;
}

const moves = [
  move("vm-1", "moved", { tries: [{ downtimeMs: 36 }], predictedDowntimeMs: 40 }),
  move("vm-2", "failed", { reason: "cannot-listen: port in use", cure: "free the port" }),
  move("vm-3", "moving", { predictedDowntimeMs: 50 }),
  move("vm-4", "waiting"),
];

describe("the frame of an evacuation", () => {
  it("has counters, the end with its bound, what moves, what is next and what has ended", () => {
    const view = { width: 80, moves, migrations: new Map() };
    expect(evacuationFrame(evacuation, view)).toEqual([
      "host-a  ███████░░░░░░░░░░░░░░░░░░░  1 of 4 moved, 1 failed",
      "running   ends in 5.0 s, lower bound 9.0 s",
      "VM    TO      PHASE   LEFT  ENDS  DOWNTIME",
      "vm-3  host-b  moving  –     –     50 ms exp.",
      "next  vm-4",
      "✔ vm-1 on host-b, downtime 36 ms (40 ms expected)",
      "✗ vm-2 failed: cannot-listen: port in use",
      "cancel  switchyard evacuation cancel evac_1",
      "Ctrl-C stops watching, not the evacuation evac_1",
    ]);
  });

  it("says who has paused it, and what ends that", () => {
    const endsWith = "it waits for you";
    const pauses = [{ reason: "operator", author: "ada", message: "lunch", since: AT, endsWith }];
    const paused = { ...evacuation, status: "paused", pauses } as unknown as Evacuation;
    const frame = evacuationFrame(paused, { width: 80, moves: [], migrations: new Map() });
    expect(frame).toContain('! paused by ada (operator, "lunch"): it waits for you');
    expect(frame).toContain("resume  switchyard evacuation resume evac_1");
  });
});

describe("the end of an evacuation", () => {
  it("names each VM that stays, with its cure", () => {
    const ended = { ...evacuation, status: "completed-with-remainder" } as Evacuation;
    expect(evacuationResult(ended, moves, 80).slice(1)).toEqual([
      "  vm-2 failed: cannot-listen: port in use",
      "  cure: free the port",
    ]);
  });

  it.each([
    [{ status: "completed" }, "done"],
    [{ status: "completed-with-remainder" }, "failed"],
    [{ status: "cancelled" }, "failed"],
    [{ status: "cancelled", unknownVms: ["vm-3"] }, "unknown"],
    [{ status: "rolled-back" }, "failed"],
    [{ status: "rolled-back", counters: { ...counters, failed: 0 } }, "done"],
    [{ status: "expired" }, "refused"],
    [{ status: "paused", unknownVms: ["vm-3"] }, "ongoing"],
  ])("%o has the exit %s", (more, exit) => {
    expect(exitOfEvacuation({ ...evacuation, ...more } as Evacuation)).toBe(exit);
  });
});
