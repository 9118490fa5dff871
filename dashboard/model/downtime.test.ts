import { describe, expect, it } from "vitest";
import { downtimeOf, downtimeVerdict } from "./downtime.ts";

function of(migration: object) {
  return downtimeOf({ policy: {}, ...migration } as never);
}

const prediction = { downtimeMs: 46, loadMs: 16 };
const times = { stoppedAtMs: 1_000, sourceCompletedAtMs: 1_030, blackoutMs: 38 };

describe("the downtime of a migration", () => {
  it("has the budget, what is expected, and the real one with its parts", () => {
    const policy = { downtimeBudgetMs: 300 };
    const found = of({ policy, prediction, figures: { downtimeMs: 31 }, ...times });
    expect(found).toMatchObject({
      budgetMs: 300,
      expected: { limitMs: 30, loadMs: 16 },
      realMs: 31,
      parts: [{ ms: 30 }, { ms: 8 }],
    });
    expect(found.scaleMs).toBeGreaterThan(300);
  });

  it("has no part longer than the blackout, whatever a clock says", () => {
    expect(of({ ...times, sourceCompletedAtMs: 9_000 }).parts).toMatchObject([
      { ms: 38 },
      { ms: 0 },
    ]);
  });

  it.each([
    [{}, undefined],
    [{ policy: { downtimeBudgetMs: 40 }, prediction }, "above its budget"],
    [{ policy: { downtimeBudgetMs: 46 }, prediction }, "within its budget"],
    [{ prediction, figures: { downtimeMs: 50 } }, "more than expected"],
    [{ policy: { downtimeBudgetMs: 40 }, figures: { downtimeMs: 40 } }, "within its budget"],
  ])("of %j is said to be %s", (migration, verdict) => {
    expect(downtimeVerdict(of(migration))).toBe(verdict);
  });
});
