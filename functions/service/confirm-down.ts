import type { ByWhom } from "../../core/host/cordon.ts";
import { isConfirmedDown } from "../../core/host/host-state.ts";
import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { readAllVms } from "../store/fleet.ts";
import { findHostNow, readHeard, type StoredHost } from "../store/hosts.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { hasEnded } from "../store/vms.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { changeHost } from "./cordon-host.ts";
import { endGuest } from "./end-guest.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { raise } from "./raise-signal.ts";
import { reconcileVm } from "./reconcile-vm.ts";
import { byInvocation } from "./wake-by-invocation.ts";

/** What became of the guests that the host had, or was about to have. */
export type ConfirmedDown = {
  host: StoredHost;
  /** VMs that no migration holds: they have failed, and their memory is released. */
  failed: VmId[];
  /** VMs of migrations from or to the host: both sides are observed, and this one counts as ended. */
  reconciling: { vm: VmId; migration: MigrationId }[];
};

/**
 * Takes a person's word that a silent host is down: no process of a guest is left on it. What no
 * silence tells is known by that. Its guests have failed, and each migration from or to it decides
 * by its table. The word is void once the host's agent is heard again. Repeated, it does what is left.
 *
 * @throws Problem host-not-found, host-not-silent, host-changed, workflow-unavailable
 */
export async function confirmDown(id: HostId, by: ByWhom): Promise<ConfirmedDown> {
  const host = await markDown(id, by);
  const message = by.message === undefined ? "" : `: ${by.message}`;
  const detail = `${by.owner} has confirmed that ${id} is down${message}`;
  const failed: VmId[] = [];
  const reconciling: ConfirmedDown["reconciling"] = [];
  for (const vm of await concernedVms(id)) {
    if (vm.lockedBy === undefined) {
      await endGuest(vm.id, id, { state: "failed", detail });
      failed.push(vm.id);
      continue;
    }
    const migration = await findMigration(vm.lockedBy);
    if (migration === undefined || ![migration.source, migration.target].includes(id)) continue;
    await observeAgain(migration, detail);
    reconciling.push({ vm: vm.id, migration: migration.id });
  }
  // Evacuations that counted on these guests go on without them.
  await admitWaiting({ hosts: [id], makesRoom: true }, byInvocation);
  return { host, failed, reconciling };
}

async function markDown(id: HostId, by: ByWhom): Promise<StoredHost> {
  const known = await findHostNow(id);
  if (known === undefined) throw new Problem("host-not-found", `There is no host ${id}`);
  if (known.silentSince === undefined) throw notSilent(known);
  const marked = await changeHost(id, () =>
    isConfirmedDown(known) ? undefined : { down: { ...by, at: new Date().toISOString() } },
  );
  const host = await readHeard(marked);
  if (!isConfirmedDown(host)) throw notSilent(host);
  return host;
}

function notSilent({ id, heardAt, heartbeatMs }: StoredHost): Problem {
  if (heardAt === undefined) {
    return new Problem("host-not-silent", `${id} has never been heard: it has no guests`);
  }
  if (heartbeatMs === undefined) {
    const detail = `The agent of ${id} sends no heartbeats, so its silence means nothing: update it`;
    return new Problem("host-not-silent", detail);
  }
  const detail =
    `${id} was heard at ${heardAt}: its agent knows what has become of its guests. A host ` +
    "that is off becomes silent by itself";
  return new Problem("host-not-silent", detail);
}

/** VMs whose guest may be on that host, and VMs of any migration, whichever hosts it has. */
async function concernedVms(id: HostId) {
  const vms = await readAllVms(Number.POSITIVE_INFINITY, (vm) =>
    vm.lockedBy !== undefined || (vm.host === id && !hasEnded(vm))
      ? { id: vm.id, lockedBy: vm.lockedBy }
      : undefined,
  );
  return vms.filter((vm) => vm !== undefined);
}

/** A migration that runs goes back at once, as far as it can be; one that has stopped is reopened. */
async function observeAgain({ id, vm, status }: StoredMigration, detail: string): Promise<void> {
  if (status === "running") {
    await orUnavailable("workflow-unavailable", () =>
      raise({ do: "interrupt", migrationId: id, reason: "failed", detail }),
    );
    return;
  }
  try {
    await reconcileVm(vm);
  } catch (error) {
    // Another request has reopened it, or it has ended since it was read.
    const isDone =
      error instanceof Problem && ["vm-changed", "nothing-to-reconcile"].includes(error.code);
    if (!isDone) throw error;
  }
}
