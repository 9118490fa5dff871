import type { HostId, VmId } from "../../core/id.ts";
import { admitWaiting } from "../service/admit-waiting.ts";
import { recordExited } from "../store/migration-events.ts";
import { findMigration } from "../store/migration-record.ts";
import { findVm, recordEnded } from "../store/vms.ts";
import { interrupt, raiseSignals } from "./signals.ts";

/**
 * Applies the exit of a guest's QEMU process on a host. For a VM in a migration nothing is concluded
 * here: the migration is interrupted, and its way back observes both sides. The source's process may
 * exit once the source has completed.
 */
export async function applyGuestExit(host: HostId, vm: VmId, detail: string): Promise<void> {
  const known = await findVm(vm);
  if (known === undefined) return;
  if (known.lockedBy === undefined) return recordExitOutside(host, vm, detail);
  const migration = await findMigration(known.lockedBy);
  if (migration === undefined) return;
  const side = host === migration.source ? "source" : "target";
  if (host !== migration[side]) return;
  if (side === "source" && migration.sourceCompletedAtMs !== undefined) return;
  const text = detail.slice(0, 2_000);
  // The migration may have ended since the VM was read, with the guest on this host.
  if (!(await recordExited(migration.id, side, text))) return recordExitOutside(host, vm, text);
  await interrupt(migration.id, {
    kind: "failed",
    at: new Date().toISOString(),
    detail: `the ${side}'s QEMU process ended: ${text}`,
  });
}

/** For a VM that no migration holds. Changes nothing when the VM has moved away. */
async function recordExitOutside(host: HostId, vm: VmId, detail: string): Promise<void> {
  await recordEnded(vm, host, { state: "failed", detail: detail.slice(0, 4_000) });
  await admitByFreeMemory(host);
}

/** Called when memory was released on a host: waiting migrations may have room now. */
export async function admitByFreeMemory(host: HostId): Promise<void> {
  const outcome = { at: new Date().toISOString(), by: "cloud" };
  await admitWaiting([host], (id) => raiseSignals(id, [{ name: "admitted", outcome }]));
}
