import { expect } from "vitest";
import type { Migration } from "../../../core/migration/migration.ts";
import type { WorkflowHarness } from "./harness.ts";

/**
 * What holds however a migration ended: the guest never ran twice, the records say where it runs, and
 * nothing is held for the ended migration.
 */
export async function expectInvariants(harness: WorkflowHarness, ended: Migration): Promise<void> {
  const { hosts } = harness;
  expect(hosts.hasRunTwice).toBe(false);
  expect(await harness.leftovers(ended.id)).toEqual([]);
  const vm = await harness.vm(ended.vm);
  if (ended.status === "unknown") {
    expect(vm).toMatchObject({ state: "unknown", lockedBy: ended.id });
    expect(ended).not.toHaveProperty("runningOn");
    return;
  }
  expect(hosts.runsOn).toEqual([ended.runningOn]);
  expect(vm).toMatchObject({ state: "running", host: ended.runningOn });
  expect(vm).not.toHaveProperty("lockedBy");
}
