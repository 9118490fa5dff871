import type { HostId, VmId } from "../../core/id.ts";
import { admitWaiting } from "../admit-waiting.ts";
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
  if (known.lockedBy === undefined) {
    await recordEnded(vm, host, { state: "failed", detail: detail.slice(0, 4_000) });
    return memoryCameFree(host);
  }
  const migration = await findMigration(known.lockedBy);
  if (migration === undefined || migration.status !== "running") return;
  const side = host === migration.source ? "source" : "target";
  if (host !== migration[side]) return;
  if (side === "source" && migration.sourceCompletedAtMs !== undefined) return;
  // The migration's end may be written down in this moment, with the guest on that host.
  const words = detail.slice(0, 2_000);
  if (!(await recordExited(migration.id, side, words))) {
    await recordEnded(vm, host, { state: "failed", detail: words });
    return;
  }
  await interrupt(migration.id, {
    kind: "failed",
    at: new Date().toISOString(),
    detail: `the ${side}'s QEMU process ended: ${detail.slice(0, 2_000)}`,
  });
}

/** Migrations that wait for this host's memory may fit now. */
export async function memoryCameFree(host: HostId): Promise<void> {
  const outcome = { at: new Date().toISOString(), by: "cloud" };
  await admitWaiting([host], (id) => happen(id, [{ name: "admitted", outcome }]));
}
