import { expect, it } from "vitest";
import { commitSeed, SEEDS, seedOf } from "./seed.ts";

it("is the same for one commit each time, and names what it comes from", () => {
  const { seed, from } = commitSeed();
  expect(commitSeed()).toEqual({ seed, from });
  expect(from).toMatch(/^(commit [0-9a-f]{40}|version \d+\.\d+\.\d+)$/);
  expect(seed).toBe(seedOf(from.split(" ")[1] ?? ""));
});

it.each(["a", "0".repeat(40), "1.2.3"])("is one that the campaign accepts, from %s", (text) => {
  expect(Number.isInteger(seedOf(text))).toBe(true);
  expect(seedOf(text)).toBeGreaterThanOrEqual(0);
  expect(seedOf(text)).toBeLessThan(SEEDS);
});
