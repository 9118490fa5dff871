import type { HostId, VmId } from "../../core/id.ts";
import type { Registration } from "../../core/protocol/host.ts";
import type { GuestEnd } from "../../core/vm-exit.ts";
import { findHostWithFacts } from "../store/hosts.ts";
import { recordExit } from "../store/migration-events.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { listIncoming } from "../store/slots.ts";
import { findVm, hasEnded, listVmsOn, recordForgotten, type StoredVm } from "../store/vms.ts";
import { recordExitOutside } from "./guest-exits.ts";
import { interrupt } from "./signals.ts";

type Forgotten = { host: HostId; hasRestarted: boolean; detail: string };

/**
 * Compares the guests that a host registers with those that the records have there. A host whose disk
 * lost its last writes, or was restored, emits no event for a guest that it has forgotten.
 *
 * After a restart of the host (another boot id) the guest's process has ended. Without one it may still
 * run: the VM becomes `unknown`. A migration that holds the VM is interrupted, and its way back
 * observes both sides. To be called before the registration is written, so that a repeated request
 * compares with the same boot id again.
 */
export async function applyForgottenGuests({ host, facts, guests }: Registration): Promise<void> {
  if (guests === undefined) return;
  const present = new Set(guests);
  // Incoming migrations first: one that ends meanwhile has made its VM one of this host by then.
  const incoming = await listIncoming(host);
  const missing = (await listVmsOn(host)).filter((vm) => !present.has(vm));
  if (missing.length === 0 && incoming.length === 0) return;
  const bootBefore = (await findHostWithFacts(host))?.facts?.bootId;
  const hasRestarted =
    bootBefore !== undefined && facts.bootId !== undefined && bootBefore !== facts.bootId;
  const detail = hasRestarted
    ? `${host} has restarted, and does not have the guest any more`
    : `the agent of ${host} has registered without this guest, which may still run there`;
  const forgotten = { host, hasRestarted, detail };
  for (const vm of missing) await applyToVm(vm, forgotten);
  for (const id of incoming) {
    const migration = await findMigration(id);
    if (migration === undefined || present.has(migration.vm) || !hadGuest(migration)) continue;
    await applyToSide(migration, "target", forgotten);
  }
}

/** The target has reported on its QEMU process of this guest. */
function hadGuest({ targetRunState, arrivedAs }: StoredMigration): boolean {
  return targetRunState !== undefined || arrivedAs !== undefined;
}

async function applyToVm(id: VmId, forgotten: Forgotten): Promise<void> {
  const vm = await findVm(id);
  if (vm === undefined) return;
  if (vm.lockedBy === undefined) return applyOutside(vm, forgotten);
  const migration = await findMigration(vm.lockedBy);
  if (migration?.source !== forgotten.host) return;
  if (migration.sourceCompletedAtMs === undefined)
    await applyToSide(migration, "source", forgotten);
}

/** The host may not have carried out yet the command that starts a guest. */
async function applyOutside(vm: StoredVm, { host, hasRestarted, detail }: Forgotten) {
  if (vm.state === "starting" || hasEnded(vm)) return;
  if (hasRestarted) return recordExitOutside(host, vm.id, failed(detail));
  await recordForgotten(vm, host, detail);
}

async function applyToSide(
  { id, vm }: StoredMigration,
  side: "source" | "target",
  { host, hasRestarted, detail }: Forgotten,
): Promise<void> {
  if (hasRestarted && !(await recordExit(id, side, failed(detail)))) {
    // The migration has ended since it was read.
    return recordExitOutside(host, vm, failed(detail));
  }
  await interrupt(id, { kind: "failed", at: new Date().toISOString(), detail });
}

function failed(detail: string): GuestEnd {
  return { state: "failed", detail };
}
