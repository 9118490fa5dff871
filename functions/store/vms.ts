import * as z from "zod";
import { TableBusy } from "../../core/errors.ts";
import { guestEnded, guestUnknown } from "../../core/fleet-event/untold-events.ts";
import { HostId, VmId } from "../../core/id.ts";
import { vmStateOf } from "../../core/qemu/run-state.ts";
import { Vm, type VmDefinition } from "../../core/vm.ts";
import type { GuestEnd } from "../../core/vm-exit.ts";
import { apartGroups, apartUpdate, rulesAsRead } from "./apart-groups.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import { type Page, pageOf } from "./page.ts";
import { hostIsOpen } from "./slot-writes.ts";
import { storedAs, toStored } from "./stored-definition.ts";
import { getItem, getItems, queryItems, transact, updateIf, updateItem, write } from "./table.ts";

const StoredVm = z.object({
  ...Vm.shape,
  definition: storedAs(Vm.shape.definition),
  /** Memory held on its host; 0 once it has ended. */
  heldBytes: z.int().nonnegative(),
  /** Commands sent for this VM outside of migrations. */
  commands: z.int().nonnegative(),
  /** Grows with each change of its rules. */
  rulesRevision: z.int().nonnegative().default(0),
  /** The host that reported the run state, and the number of its event. */
  runStateFrom: HostId.optional(),
  runStateSeq: z.int().nonnegative().optional(),
});
export type StoredVm = z.infer<typeof StoredVm>;

export function parseVm(item: unknown): StoredVm {
  return StoredVm.parse(item);
}

const VMS_PER_QUERY = 1_000;

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

/** At most 100, in any order; those that do not exist are left out. */
export async function findVms(ids: readonly VmId[]): Promise<StoredVm[]> {
  const rows = await getItems(ids.map((id) => keys.vm(id)));
  return rows.map(parseVm);
}

export async function listVms(page: Page) {
  return pageOf({ partitions: ["VMS"], keyOf: keys.vm, read: (item) => publicVm(item), page });
}

/** All VMs whose record names this host, whatever their state. */
export async function listVmsOn(host: HostId): Promise<VmId[]> {
  const found: VmId[] = [];
  const prefix = "VM#";
  let after: string | undefined;
  do {
    const { items, more, last } = await queryItems({
      partition: ["pk", `HOST#${host}`],
      prefix: ["sk", prefix],
      limit: VMS_PER_QUERY,
      ...(after === undefined ? {} : { after: { pk: `HOST#${host}`, sk: after } }),
    });
    found.push(...items.map(({ sk }) => VmId.parse(String(sk).slice(prefix.length))));
    after = more ? last : undefined;
  } while (after !== undefined);
  return found;
}

const PublicVm = z.object({ ...Vm.shape, definition: storedAs(Vm.shape.definition) });

export function publicVm(item: unknown): Vm {
  return PublicVm.parse(item);
}

/**
 * Writes a new VM and reserves its memory on the host, both or neither. `host-full`: too little memory
 * is left, the host was closed since it was read, or a VM is there from which this one stands apart.
 *
 * @param limitBytes how much the host may have reserved before; absent: the guest runs there already
 */
export async function createVm(
  vm: StoredVm,
  limitBytes: number | undefined,
): Promise<"created" | "exists" | "host-full"> {
  const groups = apartUpdate(vm.id, apartGroups(vm));
  const fits =
    limitBytes === undefined
      ? " AND #state IN (:joined, :maintained)"
      : ` AND #reservedBytes <= :limit AND ${hostIsOpen.condition}${groups.condition}`;
  const [failed] = await transact([
    write.put(
      {
        ...keys.vm(vm.id),
        ...vm,
        definition: toStored(vm.definition),
        gsi1pk: "VMS",
        gsi1sk: vm.id,
      },
      { condition: "attribute_not_exists(pk)" },
    ),
    write.update({
      key: keys.host(vm.host),
      update: `ADD #reservedBytes :held${groups.actions}`,
      condition: `attribute_exists(pk)${fits}`,
      names: groups.names,
      values: {
        ...groups.values,
        ":held": vm.heldBytes,
        ...(limitBytes === undefined
          ? { ":joined": "active", ":maintained": "maintenance" }
          : { ":limit": limitBytes, ...hostIsOpen.values }),
      },
    }),
    write.put(keys.hostVm(vm.host, vm.id)),
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

/** How often the answer to a start is written while events of the same guest are. */
const STARTED_TRIES_MAX = 3;

/** What a host answered to the start or the adoption of a guest, with its event's time and number. */
export type Started = {
  /** As the agent started it: with the machine type resolved. */
  definition: VmDefinition;
  runState?: string | undefined;
  atMs: number;
  seq: number;
};

/**
 * Records the answer to a start. A run state that an event of this host reported before is kept: it
 * is at least as new. Without any the guest is not called running.
 *
 * @throws TableBusy when the VM's record changed each time
 */
export async function recordStarted(id: VmId, host: HostId, started: Started): Promise<void> {
  for (let attempt = 1; attempt <= STARTED_TRIES_MAX; attempt += 1) {
    const vm = await findVm(id);
    if (vm?.state !== "starting" || vm.host !== host || vm.lockedBy !== undefined) return;
    if (await writeStarted(vm, started)) return;
  }
  throw new TableBusy(`Failed to write the start of ${id}: its record keeps changing`);
}

async function writeStarted(vm: StoredVm, started: Started): Promise<boolean> {
  const { definition, atMs, seq } = started;
  const known = vm.runStateFrom === vm.host ? vm.runStateSeq : undefined;
  const runState = known === undefined ? started.runState : vm.runState;
  const isNew = known === undefined && runState !== undefined;
  const isUnreported = runState === undefined;
  return updateIf({
    key: keys.vm(vm.id),
    update: `SET #state = :state, #stateSince = :since, #definition = :definition, #updatedAt = :now${isNew ? ", #runState = :runState, #runStateFrom = :host, #runStateSeq = :seq" : ""}${isUnreported ? ", #detail = :detail" : ""}`,
    condition: `#state = :starting AND #host = :host AND attribute_not_exists(#lockedBy) AND ${known === undefined ? "attribute_not_exists(#runStateSeq)" : "#runStateSeq = :known"}`,
    values: {
      ":state": isUnreported ? "paused" : vmStateOf(runState),
      ":since": new Date(atMs).toISOString(),
      ":starting": "starting",
      // Of its definition a host decides only what a machine type stands for.
      ":definition": toStored({ ...vm.definition, machine: definition.machine }),
      ":host": vm.host,
      ":now": new Date().toISOString(),
      ...(isNew ? { ":runState": runState, ":seq": seq } : {}),
      ...(known === undefined ? {} : { ":known": known }),
      ...(isUnreported ? { ":detail": "its host has not reported its run state" } : {}),
    },
  });
}

type End = { state: GuestEnd["state"]; detail?: string };

/** How often a VM's record may change between the read and the write of its guest's end. */
const ENDED_TRIES_MAX = 5;

/**
 * Records that the guest's process has ended on that host, and releases its memory and its place in
 * its groups. Changes nothing for a VM that has moved away, or that a migration holds: then both sides
 * of the migration are observed.
 *
 * @throws TableBusy when the VM's record changed each time
 */
export async function recordEnded(id: VmId, host: HostId, end: End): Promise<StoredVm | undefined> {
  for (let attempt = 1; attempt <= ENDED_TRIES_MAX; attempt += 1) {
    const vm = await findVm(id);
    if (vm === undefined || vm.host !== host) return undefined;
    if (vm.lockedBy !== undefined) return vm;
    // A guest that ended itself stays so when its end is reported once more.
    if (hasEnded(vm) && vm.state !== "failed") return vm;
    if (await writeEnded(vm, end)) return vm;
  }
  throw new TableBusy(`Failed to write the end of ${id}: its record keeps changing`);
}

async function writeEnded(vm: StoredVm, end: End): Promise<boolean> {
  const now = new Date().toISOString();
  const isChanged = vm.state !== end.state;
  const rules = rulesAsRead(vm);
  const groups = apartUpdate(vm.id, hasEnded(vm) ? [] : apartGroups(vm));
  const writes = [
    write.update({
      key: keys.vm(vm.id),
      update: `SET #state = :state, #heldBytes = :none, #updatedAt = :now${isChanged ? ", #stateSince = :now" : ""}${end.detail === undefined ? "" : ", #detail = :detail"} REMOVE #runState${end.detail === undefined ? ", #detail" : ""}`,
      condition: `#host = :host AND attribute_not_exists(#lockedBy) AND #state = :before AND #heldBytes = :held AND ${rules.condition}`,
      values: {
        ...rules.values,
        ":state": end.state,
        ":none": 0,
        ":now": now,
        ":host": vm.host,
        ":before": vm.state,
        ":held": vm.heldBytes,
        ...(end.detail === undefined ? {} : { ":detail": end.detail }),
      },
    }),
    write.update({
      key: keys.host(vm.host),
      update: `ADD #reservedBytes :back${groups.actions === "" ? "" : ` DELETE ${groups.actions.slice(2)}`}`,
      names: groups.names,
      values: { ...groups.values, ":back": -vm.heldBytes },
    }),
  ];
  const ended = isChanged ? [guestEnded(vm.id, vm.host, end.detail)] : [];
  return (await transactWithEvents(writes, ended)).length === 0;
}

/**
 * Records that a host has registered without a guest whose process may still run there. Changes
 * nothing for a VM whose process has ended, that a migration holds, or that has changed since it was
 * read.
 */
export async function recordForgotten(vm: StoredVm, host: HostId, detail: string): Promise<void> {
  if (vm.host !== host || hasEnded(vm) || vm.state === "unknown") return;
  const now = new Date().toISOString();
  const forgotten = write.update({
    key: keys.vm(vm.id),
    update:
      "SET #state = :unknown, #stateSince = :now, #updatedAt = :now, #detail = :detail REMOVE #runState",
    condition: "#host = :host AND #state = :before AND attribute_not_exists(#lockedBy)",
    values: {
      ":unknown": "unknown",
      ":now": now,
      ":detail": detail,
      ":host": host,
      ":before": vm.state,
    },
  });
  await transactWithEvents([forgotten], [guestUnknown(vm.id, host, detail)]);
}

/**
 * Records another definition of a guest that no migration holds, with the memory that it takes. False
 * when the VM has changed since it was read.
 */
export async function recordDefinition(vm: StoredVm, definition: VmDefinition): Promise<boolean> {
  const { memoryBytes } = definition;
  const failed = await transact([
    write.update({
      key: keys.vm(vm.id),
      update: "SET #definition = :definition, #heldBytes = :bytes, #updatedAt = :now",
      condition:
        "#host = :host AND attribute_not_exists(#lockedBy) AND #heldBytes = :held AND #epoch = :epoch",
      values: {
        ":definition": toStored(definition),
        ":bytes": memoryBytes,
        ":now": new Date().toISOString(),
        ":host": vm.host,
        ":held": vm.heldBytes,
        ":epoch": vm.epoch,
      },
    }),
    write.update({
      key: keys.host(vm.host),
      update: "ADD #reservedBytes :more",
      values: { ":more": memoryBytes - vm.heldBytes },
    }),
  ]);
  return failed.length === 0;
}

/**
 * Whether the guest's process has ended, by the record: its memory is released. A VM may be `stopped`
 * with a process, when QEMU was started with `-no-shutdown`.
 */
export function hasEnded({ heldBytes }: StoredVm): boolean {
  return heldBytes === 0;
}

/** Removes the VM of a guest that has ended; false when the guest has not ended. */
export async function removeVm(vm: StoredVm): Promise<boolean> {
  const failed = await transact([
    write.delete(keys.vm(vm.id), {
      condition: "#heldBytes = :none AND attribute_not_exists(#lockedBy) AND #host = :host",
      values: { ":none": 0, ":host": vm.host },
    }),
    write.delete(keys.hostVm(vm.host, vm.id)),
    write.put({ ...keys.vmPast(vm.id), epoch: vm.epoch, commands: vm.commands }),
  ]);
  return failed.length === 0;
}
