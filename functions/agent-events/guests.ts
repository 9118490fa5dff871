import type { HostId, VmId } from "../../core/id.ts";
import { admitWaiting } from "../service/admit-waiting.ts";
import { findMigration, recordExited } from "../store/migrations.ts";
import { findVm, recordEnded } from "../store/vms.ts";
import { happen, interrupt } from "./signals.ts";

/**
 * A guest's QEMU process has ended on a host. Of a VM in a migration nothing is concluded here: the
 * migration is interrupted and both ends are asked. The source's process after `completed` may end.
 */
export async function guestExited(host: HostId, vm: VmId, detail: string): Promise<void> {
  const known = await findVm(vm);
  if (known === undefined) return;
  if (known.lockedBy === undefined) return endedOutside(host, vm, detail);
  const migration = await findMigration(known.lockedBy);
  if (migration === undefined) return;
  const side = host === migration.source ? "source" : "target";
  if (host !== migration[side]) return;
  if (side === "source" && migration.sourceCompletedAtMs !== undefined) return;
  const words = detail.slice(0, 2_000);
  // The migration's end may have been written down since the VM was read, with the guest on this host.
  if (!(await recordExited(migration.id, side, words))) return endedOutside(host, vm, words);
  await interrupt(migration.id, {
    kind: "failed",
    at: new Date().toISOString(),
    detail: `the ${side}'s QEMU process ended: ${words}`,
  });
}

/** No migration holds the VM; one that has moved away is left alone. */
async function endedOutside(host: HostId, vm: VmId, detail: string): Promise<void> {
  await recordEnded(vm, host, { state: "failed", detail: detail.slice(0, 4_000) });
  await memoryCameFree(host);
}

/** Migrations that wait for this host's memory may fit now. */
export async function memoryCameFree(host: HostId): Promise<void> {
  const outcome = { at: new Date().toISOString(), by: "cloud" };
  await admitWaiting([host], (id) => happen(id, [{ name: "admitted", outcome }]));
}
