import { expect, test } from "vitest";
import type { Rung } from "../convergence/ladder.ts";
import { climbOf } from "./ladder-plan.ts";
import { MigrationPolicy } from "./policy.ts";
import { agree, reason } from "./testing/negotiating.ts";

const short = (rungs: Rung[] = []) =>
  rungs.map((rung) => (rung.action === "downtime-limit" ? rung.downtimeLimitMs : rung.action));

const policy = (more: Record<string, unknown> = {}) => ({
  convergence: { ladder: "minimal-downtime" },
  ...more,
});
const climb = (more: Record<string, unknown> = {}, loadMs = 0) =>
  climbOf(agree({ policy: policy(more) }), MigrationPolicy.parse(policy(more)), loadMs);

test("without a ladder nothing is changed and there are no rungs", () => {
  const { source } = agree({});
  expect(source.capabilities["auto-converge"]).toBe(false);
  expect(source.parameters["downtime-limit"]).toBe(300);
  expect(climbOf(agree({}), MigrationPolicy.parse({}), 0)).toBeUndefined();
});

test("a ladder begins with a low limit, and auto-converge waits for its rung", () => {
  const agreement = agree({ policy: policy() });
  expect(agreement.source.capabilities["auto-converge"]).toBe(true);
  expect(agreement.source.parameters).toMatchObject({
    "downtime-limit": 100,
    "cpu-throttle-initial": 1,
    "max-cpu-throttle": 1,
  });
  expect(reason(agreement, "downtime-limit")).toContain("minimal-downtime");
  expect(climb()?.rungs[0]).toEqual({
    action: "throttle",
    initialPercent: 20,
    incrementPercent: 10,
    maxPercent: 99,
  });
});

test("the throttle's own figures take effect at its rung", () => {
  const parameters = { "cpu-throttle-initial": 30, "max-cpu-throttle": 60 };
  expect(climb({ parameters })?.rungs[0]).toMatchObject({ initialPercent: 30, maxPercent: 60 });
  expect(agree({ policy: policy({ parameters }) }).source.parameters["max-cpu-throttle"]).toBe(1);
});

test.each([
  { what: "forbidden", more: { capabilities: { "auto-converge": "forbid" } } },
  { what: "asked for from the start", more: { capabilities: { "auto-converge": "require" } } },
  { what: "asked for by its flag", more: { flags: ["AUTO_CONVERGE"] } },
])("auto-converge $what is no rung", ({ more }) => {
  expect(short(climb(more)?.rungs)).toEqual([150, 200, 300, 400, 500, "abort"]);
  expect(agree({ policy: policy(more) }).source.parameters["max-cpu-throttle"]).toBe(99);
});

test("a ladder begins with the policy's downtime limit, if it has one", () => {
  expect(agree({ policy: policy({ downtimeLimitMs: 250 }) }).source.parameters).toMatchObject({
    "downtime-limit": 250,
  });
  expect(short(climb({ downtimeLimitMs: 250 })?.rungs)).toEqual([
    "throttle",
    300,
    400,
    500,
    "abort",
  ]);
});

test("the devices' load time comes off a downtime budget", () => {
  const more = { downtimeBudgetMs: 500 };
  expect(short(climb(more, 180)?.rungs)).toEqual(["throttle", 150, 200, 300, 320, "abort"]);
});
