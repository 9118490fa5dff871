import { describe, expect, it } from "vitest";
import { budgets, classOf, type EndedMigration, outcomeOf } from "./outcome.ts";

const failed = (code: string, phase = "precopy", status = "failed") =>
  ({ status, failure: { code, phase, message: "m", cure: "c" } }) as EndedMigration;

describe("the class of a failure", () => {
  it.each([
    ["migration-failed", "precopy", "transient"],
    ["states-timeout", "prepare", "transient"],
    ["target-host-silent", "switchover", "transient"],
    ["no-convergence", "precopy", "transient"],
    ["sides-differ", "precopy", "incompatible"],
    ["cpu-model-unavailable", "negotiate", "incompatible"],
    ["machine-type-unknown", "negotiate", "incompatible"],
    ["memory-short", "negotiate", "capacity"],
    ["block-job", "negotiate", "transient"],
    ["unknown-state", "confirm", "transient"],
  ] as const)("%s in %s is %s", (code, phase, found) => {
    expect(classOf({ code, phase })).toBe(found);
  });
});

describe("what becomes of a VM when its migration", () => {
  it.each<[string, EndedMigration, object]>([
    ["completed", { status: "completed" }, { state: "moved" }],
    [
      "was cancelled by a person",
      failed("migration-cancelled", "precopy", "cancelled"),
      { state: "skipped", cure: expect.stringContaining("retry the VM") },
    ],
    [
      "failed while a person cancelled it",
      { ...failed("migration-failed"), cancelRequestedAt: "2026-11-30T00:00:00.000Z" },
      { state: "skipped", reason: expect.stringContaining("migration-failed: m") },
    ],
    [
      "is unknown although a person cancelled it",
      {
        ...failed("unknown-state", "confirm", "unknown"),
        cancelRequestedAt: "2026-11-30T00:00:00.000Z",
      },
      { state: "moving" },
    ],
    ["ended with its guest", failed("guest-shut-down"), { state: "gone" }],
    ["lost its guest", failed("guest-lost"), { state: "failed" }],
    ["is unknown", failed("unknown-state", "confirm", "unknown"), { state: "moving" }],
    [
      "was unknown, and was found at its source",
      failed("unknown-state", "confirm"),
      { state: "retrying", class: "transient" },
    ],
    [
      "met a passing failure",
      failed("migration-failed"),
      { state: "retrying", class: "transient", afterMs: 5_000, needsTarget: false },
    ],
    [
      "was refused by its target",
      failed("cpu-model-unavailable", "negotiate"),
      { state: "retrying", class: "incompatible", needsTarget: true },
    ],
    [
      "found no room",
      failed("memory-short", "negotiate"),
      { state: "retrying", needsTarget: true },
    ],
  ])("%s", (_, ended, outcome) => {
    expect(outcomeOf(ended, [])).toMatchObject(outcome);
  });
});

describe("budgets", () => {
  it.each(["transient", "incompatible", "capacity"] as const)(
    "of %s failures are used up one by one, and only by failures of that class",
    (found) => {
      const codes = {
        transient: failed("migration-failed"),
        incompatible: failed("cpu-model-unavailable", "negotiate"),
        capacity: failed("memory-short", "negotiate"),
      };
      const other = { class: found === "transient" ? "capacity" : "transient" } as const;
      const before = Array.from({ length: budgets[found].tries - 1 }, () => ({ class: found }));
      expect(outcomeOf(codes[found], [other, ...before.slice(1)]).state).toBe("retrying");
      expect(outcomeOf(codes[found], [...before, other]).state).toBe("failed");
    },
  );

  it("let pauses grow", () => {
    const first = outcomeOf(failed("migration-failed"), []);
    const second = outcomeOf(failed("migration-failed"), [{ class: "transient" }]);
    expect([first, second]).toMatchObject([{ afterMs: 5_000 }, { afterMs: 10_000 }]);
  });
});
