import { describe, expect, it } from "vitest";
import { planDifferences } from "./plan-diff.ts";

function plan(targets: Record<string, string>, unplaced: string[] = []) {
  const moves = Object.entries(targets).map(([vm, target]) => ({ vm, target }));
  return { moves, unplaced: unplaced.map((vm) => ({ vm })) } as never;
}

describe("the difference of two versions of a plan", () => {
  it("is each VM with another target, a new one, and one that is gone", () => {
    const before = plan({ a: "h1", b: "h1", c: "h2" }, ["d"]);
    const after = plan({ a: "h1", b: "h2", d: "h1", e: "h2" });
    expect(planDifferences(before, after)).toEqual([
      { vm: "b", before: "h1", after: "h2", kind: "other-target" },
      { vm: "c", before: "h2", after: undefined, kind: "gone" },
      { vm: "d", before: undefined, after: "h1", kind: "other-target" },
      { vm: "e", before: undefined, after: "h2", kind: "new" },
    ]);
  });
});
