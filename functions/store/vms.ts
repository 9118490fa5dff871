import { z } from "zod";
import type { HostId, VmId } from "../../core/id.ts";
import { Vm, type VmDefinition } from "../../core/vm.ts";
import { keys } from "./keys.ts";
import { type Page, pageOf } from "./page.ts";
import { getItem, getItems, transact, updateIf, updateItem, write } from "./table.ts";

const StoredVm = z.object({
  ...Vm.shape,
  /** Memory held on its host; 0 once it has ended. */
  heldBytes: z.int().nonnegative(),
  /** Commands sent for this VM outside of migrations. */
  commands: z.int().nonnegative(),
});
export type StoredVm = z.infer<typeof StoredVm>;

/** Numbers that outlive a VM's record, so that a later VM of that name does not reuse them. */
const Past = z.object({ epoch: z.int().nonnegative(), commands: z.int().nonnegative() });
export type Past = z.infer<typeof Past>;

export async function findVm(id: VmId): Promise<StoredVm | undefined> {
  const item = await getItem(keys.vm(id));
  return item === undefined ? undefined : StoredVm.parse(item);
}

/** The VM, if there is one, and the numbers that an earlier one of that name used. */
export async function findVmAndPast(id: VmId): Promise<{ vm?: StoredVm; past: Past }> {
  const rows = await getItems([keys.vm(id), keys.vmPast(id)]);
  const vm = rows.find((row) => row.sk === "META");
  const past = rows.find((row) => row.sk === "PAST");
  return {
    ...(vm === undefined ? {} : { vm: StoredVm.parse(vm) }),
    past: past === undefined ? { epoch: 0, commands: 0 } : Past.parse(past),
  };
}

export async function listVms(page: Page) {
  return pageOf({ partition: "VMS", keyOf: keys.vm, read: (item) => publicVm(item), page });
}

const PublicVm = z.object(Vm.shape);

export function publicVm(item: unknown): Vm {
  return PublicVm.parse(item);
}

/**
 * Writes a new VM and reserves its memory on the host, both or neither.
 *
 * @param limitBytes how much the host may have reserved before; absent: the guest runs there already
 */
export async function createVm(
  vm: StoredVm,
  limitBytes: number | undefined,
): Promise<"created" | "exists" | "host-full"> {
  const fits = limitBytes === undefined ? "" : " AND #reservedBytes <= :limit";
  const [failed] = await transact([
    write.put(
      { ...keys.vm(vm.id), ...vm, gsi1pk: "VMS", gsi1sk: vm.id },
      { condition: "attribute_not_exists(pk)" },
    ),
    write.update({
      key: keys.host(vm.host),
      update: "ADD #reservedBytes :held",
      condition: `attribute_exists(pk)${fits}`,
      values: {
        ":held": vm.heldBytes,
        ...(limitBytes === undefined ? {} : { ":limit": limitBytes }),
      },
    }),
  ]);
  if (failed === undefined) return "created";
  return failed === 0 ? "exists" : "host-full";
}

/** Counts a command outside of migrations; undefined when the VM is locked or does not exist. */
export async function takeCommandNumber(id: VmId): Promise<StoredVm | undefined> {
  const item = await updateItem({
    key: keys.vm(id),
    update: "ADD #commands :one",
    condition: "attribute_exists(pk) AND attribute_not_exists(#lockedBy)",
    values: { ":one": 1 },
  });
  return item === undefined ? undefined : StoredVm.parse(item);
}

/** Records that the guest runs, with the definition that the agent started: machine type resolved. */
export async function recordStarted(
  id: VmId,
  host: HostId,
  definition: VmDefinition,
): Promise<void> {
  await updateIf({
    key: keys.vm(id),
    update: "SET #state = :running, #definition = :definition, #updatedAt = :now REMOVE #detail",
    condition: "#state = :starting AND #host = :host AND attribute_not_exists(#lockedBy)",
    values: {
      ":running": "running",
      ":starting": "starting",
      ":definition": definition,
      ":host": host,
      ":now": new Date().toISOString(),
    },
  });
}

/**
 * Records that the guest has ended on that host, and releases its memory. Changes nothing for a VM
 * that has moved away, or that a migration holds: then both sides of the migration are observed.
 */
export async function recordEnded(
  id: VmId,
  host: HostId,
  end: { state: "stopped" | "failed"; detail?: string },
): Promise<StoredVm | undefined> {
  const vm = await findVm(id);
  if (vm === undefined || vm.host !== host) return undefined;
  if (vm.lockedBy !== undefined || vm.state === "unknown" || vm.state === "stopped") return vm;
  await transact([
    write.update({
      key: keys.vm(id),
      update: `SET #state = :state, #heldBytes = :none, #updatedAt = :now${end.detail === undefined ? " REMOVE #detail" : ", #detail = :detail"}`,
      condition:
        "#host = :host AND attribute_not_exists(#lockedBy) AND #state = :before AND #heldBytes = :held",
      values: {
        ":state": end.state,
        ":none": 0,
        ":now": new Date().toISOString(),
        ":host": host,
        ":before": vm.state,
        ":held": vm.heldBytes,
        ...(end.detail === undefined ? {} : { ":detail": end.detail }),
      },
    }),
    write.update({
      key: keys.host(host),
      update: "ADD #reservedBytes :back",
      values: { ":back": -vm.heldBytes },
    }),
  ]);
  return vm;
}

/** Removes the VM of a guest that has ended; false when the guest has not ended. */
export async function removeVm(vm: StoredVm): Promise<boolean> {
  const failed = await transact([
    write.delete(keys.vm(vm.id), {
      condition: "#state IN (:stopped, :failed) AND attribute_not_exists(#lockedBy)",
      values: { ":stopped": "stopped", ":failed": "failed" },
    }),
    write.put({ ...keys.vmPast(vm.id), epoch: vm.epoch, commands: vm.commands }),
  ]);
  return failed.length === 0;
}
