import { log } from "../runtime/log.ts";
import { createMigration } from "../store/creation.ts";
import { findHost } from "../store/hosts.ts";
import { hashRequest } from "../store/idempotency.ts";
import { recordSuccessor, type StoredMigration } from "../store/migrations.ts";
import { findVm } from "../store/vms.ts";
import { beginMigration, newMigration } from "./start-migration.ts";

/**
 * Starts the migration that goes on after one that was taken back, as decided there. Repeated it
 * finds the successor written. When it cannot be had (the VM was taken by someone else meanwhile),
 * the guest stays where it is and the record says no successor.
 */
export async function succeed(migration: StoredMigration): Promise<void> {
  const { restart, vm: vmId } = migration;
  if (restart === undefined || migration.cancelRequestedAt !== undefined) return;
  const [vm, source, target] = await Promise.all([
    findVm(vmId),
    findHost(migration.source),
    findHost(migration.target),
  ]);
  if (vm?.state !== "running" || vm.lockedBy !== undefined || !source || !target) return;
  const key = `successor-of-${migration.id}`;
  const bodyHash = hashRequest({ vm: vmId, target: target.id, policy: restart.policy });
  const again = { id: restart.id, predecessor: migration.id };
  const made = newMigration(restart.policy, { vm, source, target }, { key, bodyHash }, again);
  const written = await createMigration(made);
  if (typeof written === "object") await beginMigration(written);
  if (written === "vm-changed") {
    log().warn({ migration: migration.id }, "no successor: the VM was taken meanwhile");
    return;
  }
  await recordSuccessor(migration.id, restart.id);
}
