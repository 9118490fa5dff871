import { expect, test } from "vitest";
import { LadderName, type Rung, rungsOf } from "../convergence/ladder.ts";
import { planSwitchover } from "../migration/switchover-plan.ts";
import { climbOf } from "./ladder-plan.ts";
import { MigrationPolicy } from "./policy.ts";
import { agree, reason } from "./testing/negotiating.ts";

const throttle: Rung & { action: "throttle" } = {
  ...{ action: "throttle", initialPercent: 20, incrementPercent: 10, maxPercent: 99 },
};
const short = (rungs: Rung[] = []) =>
  rungs.map((rung) => (rung.action === "downtime-limit" ? rung.downtimeLimitMs : rung.action));

type Case = { name: LadderName; limitMs: number; max: number; rungs: (string | number)[] };

test.each<Case>([
  { name: "none", limitMs: 300, max: Infinity, rungs: [] },
  {
    name: "minimal-downtime",
    limitMs: 100,
    max: Infinity,
    rungs: ["throttle", 150, 200, 300, 400, 500, "abort"],
  },
  {
    name: "suspend-if-needed",
    limitMs: 100,
    max: Infinity,
    rungs: ["throttle", 150, 200, 300, 400, 500, 5_000, "abort"],
  },
  {
    name: "very-large",
    limitMs: 300,
    max: Infinity,
    rungs: ["throttle", 400, 500, 700, 1_000, 1_500, 5_000, "abort"],
  },
  // A budget is never exceeded, and is used up to the last millisecond.
  {
    name: "suspend-if-needed",
    limitMs: 100,
    max: 450,
    rungs: ["throttle", 150, 200, 300, 400, 450, "abort"],
  },
  { name: "minimal-downtime", limitMs: 100, max: 0, rungs: ["throttle", "abort"] },
  // What is allowed already is no rung.
  { name: "minimal-downtime", limitMs: 400, max: Infinity, rungs: ["throttle", 500, "abort"] },
])("$name from $limitMs ms within $max ms: $rungs", ({ name, limitMs, max, rungs }) => {
  expect(short(rungsOf(name, { throttle, postcopy: true, limitMs, limitMsMax: max }))).toEqual(
    rungs,
  );
});

test("every ladder but none ends by giving up", () => {
  for (const name of LadderName.options.filter((option) => option !== "none")) {
    const rungs = rungsOf(name, {
      throttle: undefined,
      postcopy: false,
      limitMs: 1,
      limitMsMax: Infinity,
    });
    expect(rungs.at(-1)).toEqual({ action: "abort" });
    expect(rungs.length).toBeLessThanOrEqual(20);
  }
});

const policy = (more: Record<string, unknown> = {}) => ({
  ...{ convergence: { ladder: "minimal-downtime" } },
  ...more,
});
const climb = (more: Record<string, unknown> = {}, loadMs = 0) =>
  climbOf(agree({ policy: policy(more) }), MigrationPolicy.parse(policy(more)), loadMs);

test("without a ladder nothing is changed and nothing is climbed", () => {
  const { source } = agree({});
  expect(source.capabilities["auto-converge"]).toBe(false);
  expect(source.parameters["downtime-limit"]).toBe(300);
  expect(climbOf(agree({}), MigrationPolicy.parse({}), 0)).toBeUndefined();
});

test("a ladder begins low, with auto-converge on and held back until its rung", () => {
  const agreement = agree({ policy: policy() });
  expect(agreement.source.capabilities["auto-converge"]).toBe(true);
  expect(agreement.source.parameters).toMatchObject({
    ...{ "downtime-limit": 100, "cpu-throttle-initial": 1, "max-cpu-throttle": 1 },
  });
  expect(reason(agreement, "downtime-limit")).toContain("minimal-downtime");
  expect(climb()?.rungs[0]).toEqual(throttle);
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

test("a downtime limit of the policy's own is where the ladder begins", () => {
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

test("of a budget the devices' load time is taken off", () => {
  const more = { downtimeBudgetMs: 500 };
  expect(short(climb(more, 180)?.rungs)).toEqual(["throttle", 150, 200, 300, 320, "abort"]);
});

test("with a budget and a ladder it begins where the ladder does", () => {
  const given = MigrationPolicy.parse(policy({ downtimeBudgetMs: 2_000 }));
  const plan = planSwitchover({
    agreement: agree({ policy: given }),
    policy: given,
    learned: undefined,
    linkBytesPerSecond: undefined,
  });
  expect(plan.ok && plan.agreement.source.parameters["downtime-limit"]).toBe(100);
});
