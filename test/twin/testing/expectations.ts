import { expect } from "vitest";
import type { Outcome } from "./bed.ts";

/** The difference was found, and the guest runs on at the source without a `migrate`. */
export function expectRefused(outcome: Outcome, found: RegExp): void {
  const { check, refusal, migrationStatus, runState } = outcome;
  expect(check.differences.map(({ name }) => name)).toContainEqual(expect.stringMatching(found));
  expect(refusal).toMatch(/^differs: /);
  expect([migrationStatus, runState]).toEqual(["none", "running"]);
}

/** No difference was found, and the guest has moved. */
export function expectMoved({ check, refusal, migrationStatus }: Outcome): void {
  expect(check.differences).toEqual([]);
  expect(refusal).toBeUndefined();
  expect(migrationStatus).toBe("completed");
}
