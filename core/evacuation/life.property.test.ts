import fc from "fast-check";
import { expect, it } from "vitest";
import { type Action, decide, isFinalEvacuation, type Life, shownStatus } from "./life.ts";
import { AT, planned } from "./testing/life.ts";

const author = fc.constantFrom("ada", "bob");
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    do: fc.constant("approve" as const),
    version: fc.integer({ min: 1, max: 3 }),
    author,
  }),
  fc.record({
    do: fc.constantFrom(
      "reject" as const,
      "pause" as const,
      "resume" as const,
      "cancel" as const,
      "rollback" as const,
    ),
    author,
  }),
  fc.record({
    do: fc.constant("offer" as const),
    version: fc.integer({ min: 1, max: 3 }),
    isWithinTolerance: fc.boolean(),
    isOptional: fc.boolean(),
  }),
  fc.record({ do: fc.constantFrom("expire" as const, "begin" as const) }),
  fc.record({ do: fc.constant("finish" as const), isEmptied: fc.boolean() }),
  fc.record({
    do: fc.constant("hold" as const),
    reason: fc.constantFrom("error-budget" as const, "vm-unknown" as const),
  }),
  fc.constantFrom<Action>(
    { do: "keep-times" },
    { do: "keep-times", pause: { reason: "window-end", author: "sch_1", endsWith: "at ten" } },
    { do: "keep-times", pause: { reason: "freeze", author: "switchyard", endsWith: "at ten" } },
  ),
);

function apply(life: Life, one: Action): Life {
  const decided = decide(life, one, AT);
  return "life" in decided ? decided.life : life;
}

it("a repeated action changes nothing more than the first one", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), action, (before, one) => {
      const life = before.reduce(apply, planned());
      const once = apply(life, one);
      if (one.do === "finish" || one.do === "begin") return;
      expect(apply(once, one)).toEqual(once);
    }),
  );
});

it("what was never approved never runs, and what has ended does not run again by itself", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      let life: Life = planned();
      for (const one of actions) {
        const next = apply(life, one);
        if (["running", "approved"].includes(next.status)) {
          expect(next.approvals.length).toBeGreaterThan(0);
          expect(next.consentedVersion).toBeDefined();
        }
        const isOver = isFinalEvacuation(life.status);
        if (isOver && one.do !== "rollback") expect(next.status).toBe(life.status);
        life = next;
      }
    }),
  );
});

it("it is paused if and only if somebody has a pause of it", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const life = actions.reduce(apply, planned());
      const isPaused = shownStatus(life) === "paused";
      expect(isPaused).toBe(life.status === "running" && Object.keys(life.pauses).length > 0);
    }),
  );
});

it("every cancel and every rejection has an author", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const { status, endedBy } = actions.reduce(apply, planned());
      if (["cancelled", "cancelling", "rejected", "rolling-back", "rolled-back"].includes(status)) {
        expect(endedBy?.author).toMatch(/ada|bob/);
      }
    }),
  );
});
