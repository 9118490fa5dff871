import { movableStates } from "../../core/vm-state.ts";
import { log } from "../runtime/log.ts";
import { findHost } from "../store/hosts.ts";
import { hashRequest } from "../store/idempotency.ts";
import { createMigration } from "../store/migration-creation.ts";
import { recordSuccessor } from "../store/migration-ending.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { readTenantCounts } from "../store/tenants.ts";
import { findVm } from "../store/vms.ts";
import { beginMigration, newMigration } from "./start-migration.ts";

/**
 * Starts the successor of a migration that was taken back, as that migration decided. Repeated, it
 * finds the successor written. When the VM was locked by another migration meanwhile, the guest is
 * left where it is and the record names no successor.
 */
export async function startSuccessor(migration: StoredMigration): Promise<void> {
  const { restart, vm: vmId } = migration;
  if (restart === undefined || migration.cancelRequestedAt !== undefined) return;
  const [vm, source, target] = await Promise.all([
    findVm(vmId),
    findHost(migration.source),
    findHost(migration.target),
  ]);
  if (!vm || !movableStates.includes(vm.state) || vm.lockedBy !== undefined) return;
  if (!source || !target) return;
  const key = `successor-of-${migration.id}`;
  const bodyHash = hashRequest({ vm: vmId, target: target.id, policy: restart.policy });
  const successor = { id: restart.id, predecessor: migration.id };
  const tenant = await readTenantCounts(vm.tenant);
  const made = newMigration(
    restart.policy,
    { vm, source, target, tenant },
    { key, bodyHash },
    {
      successor,
      evacuation: migration.evacuation,
      slotLimits: migration.slotLimits,
      streamBytesPerSecond: migration.rateBytesPerSecond,
    },
  );
  const written = await createMigration(made);
  if (typeof written === "object") await beginMigration(written);
  if (written === "vm-changed" || written === "apart") {
    const why = written === "apart" ? "a VM of its group took its place" : "the VM has changed";
    log().warn({ migrationId: migration.id }, `no successor: ${why}`);
    return;
  }
  await recordSuccessor(migration.id, restart.id);
}
