import { expect, it } from "vitest";
import { RateLimit } from "./rate-limit.ts";

const RATE = 10;
const BURST = 50;

function limitAt() {
  let nowMs = 1_000_000;
  const limit = new RateLimit(() => nowMs);
  return {
    take: (principal = "a", rate = RATE) => limit.take(principal, rate),
    takeAll: (count: number, principal = "a") =>
      Array.from({ length: count }, () => limit.take(principal, RATE)),
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

it("lets a burst pass, then as many as the rate", () => {
  const { takeAll, take, pass } = limitAt();
  expect(takeAll(BURST)).toEqual(Array(BURST).fill(undefined));
  expect(take()).toBe(1);
  pass(100);
  expect(take()).toBeUndefined();
  expect(take()).toBe(1);
  pass(60_000);
  expect(takeAll(BURST + 1).filter((seconds) => seconds !== undefined)).toHaveLength(1);
});

it("says when the next request may come, as whole seconds", () => {
  const limit = new RateLimit(() => 0);
  for (let request = 0; request < 5; request += 1) limit.take("a", 0.2 * 5);
  expect(limit.take("a", 1)).toBe(1);
  const slow = new RateLimit(() => 0);
  slow.take("a", 0.25);
  expect(slow.take("a", 0.25)).toBe(3);
});

it("counts each principal apart", () => {
  const { takeAll, take } = limitAt();
  takeAll(BURST, "a");
  expect(take("a")).toBe(1);
  expect(take("b")).toBeUndefined();
});

it("refused requests do not put off the next one that may pass", () => {
  const { takeAll, take, pass } = limitAt();
  takeAll(BURST * 10);
  pass(100);
  expect(take()).toBeUndefined();
});

it("forgets those that have called least lately, beyond 10,000", () => {
  const { takeAll, take } = limitAt();
  takeAll(BURST, "a");
  takeAll(BURST, "b");
  for (let number = 0; number < 9_998; number += 1) take(`other-${number}`);
  expect(take("a")).toBe(1);
  take("one more");
  expect(take("b")).toBeUndefined();
  expect(take("a")).toBe(1);
});
