import { expect } from "vitest";
import type { Migration } from "../../../core/migration/migration.ts";
import type { WorkflowHarness } from "./harness.ts";

/**
 * What holds however a migration ended: the guest never ran twice, the records say where it runs, and
 * nothing is held for the ended migration. One whose end is unknown keeps its slots.
 */
export async function expectInvariants(harness: WorkflowHarness, ended: Migration): Promise<void> {
  const { hosts } = harness;
  expect(hosts.hasRunTwice).toBe(false);
  const left = await harness.leftovers(ended.id);
  const vm = await harness.vm(ended.vm);
  if (ended.status === "unknown") {
    const kept = [`outgoing of HOST#${ended.source}`, `incoming of HOST#${ended.target}`];
    expect(left.toSorted()).toEqual(kept.toSorted());
    expect(vm).toMatchObject({ state: "unknown", lockedBy: ended.id });
    expect(ended).not.toHaveProperty("runningOn");
    return;
  }
  expect(left).toEqual([]);
  expect(hosts.runsOn).toEqual([ended.runningOn]);
  expect(vm).toMatchObject({ state: "running", host: ended.runningOn });
  expect(vm).not.toHaveProperty("lockedBy");
}
