import { expect, test } from "vitest";
import { LadderName, type Rung, rungsOf } from "./ladder.ts";

const throttle: Extract<Rung, { action: "throttle" }> = {
  action: "throttle",
  initialPercent: 20,
  incrementPercent: 10,
  maxPercent: 99,
};
const short = (rungs: Rung[]) =>
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
    name: "post-copy",
    limitMs: 100,
    max: Infinity,
    rungs: ["throttle", 150, 200, "postcopy", "abort"],
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
  // A limit that is in force already is no rung.
  { name: "minimal-downtime", limitMs: 400, max: Infinity, rungs: ["throttle", 500, "abort"] },
])("$name from $limitMs ms within $max ms: $rungs", ({ name, limitMs, max, rungs }) => {
  expect(short(rungsOf(name, { throttle, postcopy: true, limitMs, limitMsMax: max }))).toEqual(
    rungs,
  );
});

test("without throttle and postcopy only limits and the abort are left", () => {
  const options = { throttle: undefined, postcopy: false, limitMs: 100, limitMsMax: Infinity };
  expect(short(rungsOf("post-copy", options))).toEqual([150, 200, "abort"]);
});

test.each(LadderName.options.filter((name) => name !== "none"))("%s ends with an abort", (name) => {
  const options = { throttle: undefined, postcopy: false, limitMs: 1, limitMsMax: Infinity };
  const rungs = rungsOf(name, options);
  expect(rungs.at(-1)).toEqual({ action: "abort" });
  expect(rungs.length).toBeLessThanOrEqual(20);
});
