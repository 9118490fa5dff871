import { expect } from "vitest";
import type { Migration } from "../../../core/migration/migration.ts";
import type { WorkflowStage } from "./stage.ts";

/**
 * However it went: the guest has never run twice, the records say where it runs, and nothing is held
 * for a migration that is over.
 */
export async function expectKept(stage: WorkflowStage, ended: Migration): Promise<void> {
  const { hosts } = stage;
  expect(hosts.split).toBe(false);
  expect(await stage.leftovers(ended.id)).toEqual([]);
  const vm = await stage.vm(ended.vm);
  if (ended.status === "unknown") {
    expect(vm).toMatchObject({ state: "unknown", lockedBy: ended.id });
    expect(ended).not.toHaveProperty("runningOn");
    return;
  }
  expect(hosts.runsOn).toEqual([ended.runningOn]);
  expect(vm).toMatchObject({ state: "running", host: ended.runningOn });
  expect(vm).not.toHaveProperty("lockedBy");
}
