import type { HostId, VmId } from "../../core/id.ts";
import { type GuestEnd, type GuestExit, guestEndOf } from "../../core/vm-exit.ts";
import { admitWaiting } from "../service/admit-waiting.ts";
import { endGuest } from "../service/end-guest.ts";
import type { EventKey } from "../store/keys.ts";
import { recordExit } from "../store/migration-events.ts";
import { findMigration } from "../store/migration-record.ts";
import { findVm } from "../store/vms.ts";
import { continueEvacuation } from "./evacuations.ts";
import type { PendingWrites } from "./pending-writes.ts";
import { interrupt, raiseSignals } from "./signals.ts";

/**
 * Applies the exit of a guest's QEMU process on a host. For a VM in a migration nothing is concluded
 * here: the migration is interrupted, and its way back observes both sides. The source's process may
 * exit once the source has completed.
 */
export async function applyGuestExit(
  { host, ...at }: EventKey,
  { vm, ...exit }: GuestExit & { vm: VmId },
  pending: PendingWrites,
): Promise<void> {
  const known = await findVm(vm);
  if (known === undefined) return;
  const end = guestEndOf(exit);
  if (known.lockedBy === undefined) return recordExitOutside(host, vm, end);
  const migration = await findMigration(known.lockedBy);
  if (migration === undefined) return;
  const side = host === migration.source ? "source" : "target";
  if (host !== migration[side]) return;
  const detail = { side, ...exit, detail: end.detail };
  pending.addEntry(migration.id, { host, ...at }, { type: "guest.exited", detail });
  if (side === "source" && migration.sourceCompletedAtMs !== undefined) return;
  // The migration may have ended since the VM was read, with the guest on this host.
  if (!(await recordExit(migration.id, side, end))) return recordExitOutside(host, vm, end);
  await interrupt(migration.id, {
    kind: "failed",
    at: new Date().toISOString(),
    detail: `the ${side}'s QEMU process ended: ${end.detail}`,
  });
}

/** For a VM that no migration holds. Changes nothing when the VM has moved away. */
export async function recordExitOutside(host: HostId, vm: VmId, end: GuestEnd): Promise<void> {
  await endGuest(vm, host, end);
  await admitByFreeMemory(host);
}

/** Called when memory was released on a host: waiting migrations may have room now. */
export async function admitByFreeMemory(host: HostId): Promise<void> {
  const at = new Date().toISOString();
  await admitWaiting(
    { hosts: [host], makesRoom: true },
    {
      admit: (id, name) => raiseSignals(id, [{ name, outcome: { at, by: "cloud" } }]),
      refuse: (id, detail) => interrupt(id, { kind: "failed", at, detail }),
      proceed: continueEvacuation,
    },
  );
}
