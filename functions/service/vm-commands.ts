import { CommandId, type HostId, type VmId } from "../../core/id.ts";
import type { ArgsOf } from "../../core/protocol/command.ts";
import type { VmDefinition } from "../../core/vm.ts";
import type { VmRules } from "../../core/vm-rules.ts";
import { Problem } from "../http/problem.ts";
import { findHost, findHostNow } from "../store/hosts.ts";
import {
  createVm,
  findVmAndPast,
  hasEnded,
  recordEnded,
  removeVm,
  type StoredVm,
  takeCommandNumber,
} from "../store/vms.ts";
import { dispatch } from "./dispatch-command.ts";
import { requireAllowed, requireRules } from "./host-rules.ts";
import { requireVm, vmChanged, vmLocked } from "./require-vm.ts";

export type NewVm = {
  id: VmId;
  host: HostId;
  definition: VmDefinition;
  adopt?: { qmpPath: string; digest?: string | undefined } | undefined;
} & VmRules;

/**
 * Writes the VM, reserves its memory, and sends the command that starts or adopts it.
 *
 * @throws Problem host-not-found, vm-exists, host-full, host-unreachable, and those of
 *   `requireAllowed` and `requireRules`
 */
export async function startVm(wanted: NewVm): Promise<StoredVm> {
  const [{ vm: existing, past }, host] = await Promise.all([
    findVmAndPast(wanted.id),
    findHostNow(wanted.host),
  ]);
  if (host === undefined) {
    throw new Problem("host-not-found", `There is no host ${wanted.host}`);
  }
  if (existing !== undefined) throw vmExists(wanted.id);
  const action = wanted.adopt === undefined ? "receive" : "adopt";
  requireAllowed(action, host);
  const vm = newVm(wanted, past);
  if (wanted.adopt === undefined) requireRules(vm, host, "started");
  const { memoryBytes } = wanted.definition;
  const limit = wanted.adopt === undefined ? (host.memoryBytes ?? 0) - memoryBytes : undefined;
  const outcome = await createVm(vm, limit);
  if (outcome === "exists") throw vmExists(wanted.id);
  if (outcome === "host-full") {
    const now = (await findHostNow(host.id)) ?? host;
    requireAllowed(action, now);
    requireRules(vm, now, "started");
    const detail = `Host ${host.id} has less than ${memoryBytes} bytes left`;
    throw new Problem("host-full", detail);
  }
  const { definition, adopt } = wanted;
  const order: VmOrder =
    adopt === undefined
      ? { verb: "guest.start", args: { definition } }
      : { verb: "guest.adopt", args: { definition, ...adopt } };
  await sendToVm(vm, host.queueUrl, order).catch(async (error: unknown) => {
    await recordEnded(vm.id, vm.host, { state: "failed", detail: "its host could not be reached" });
    throw error;
  });
  return vm;
}

/**
 * Asks a guest to stop, and returns its VM. Removes the record of a VM whose process has ended, and
 * returns undefined.
 *
 * @throws Problem vm-not-found, vm-locked, vm-unknown, vm-changed, host-unreachable
 */
export async function stopVm(id: VmId, mode: "powerdown" | "quit"): Promise<StoredVm | undefined> {
  const vm = await requireVm(id);
  if (vm.lockedBy !== undefined) throw vmLocked(vm);
  if (hasEnded(vm)) {
    if (await removeVm(vm)) return undefined;
    throw vmChanged(id);
  }
  const [numbered, host] = await Promise.all([takeCommandNumber(id), findHost(vm.host)]);
  if (numbered === undefined || host === undefined) throw vmChanged(id);
  await sendToVm(numbered, host.queueUrl, { verb: "guest.stop", args: { mode } });
  return numbered;
}

function vmExists(id: VmId): Problem {
  return new Problem("vm-exists", `VM ${id} exists already`);
}

function newVm(wanted: NewVm, past: { epoch: number; commands: number }) {
  const now = new Date().toISOString();
  const { id, host, definition, adopt: _, ...rules } = wanted;
  return {
    ...rules,
    id,
    host,
    definition,
    state: "starting",
    stateSince: now,
    epoch: past.epoch + 1,
    heldBytes: definition.memoryBytes,
    commands: past.commands + 1,
    rulesRevision: 0,
    createdAt: now,
    updatedAt: now,
  } satisfies StoredVm;
}

type VmVerb = "guest.start" | "guest.adopt" | "guest.stop";
type VmOrder = { [V in VmVerb]: { verb: V; args: ArgsOf<V> } }[VmVerb];

async function sendToVm(vm: StoredVm, queueUrl: string, order: VmOrder): Promise<void> {
  const { id, host, epoch, commands } = vm;
  const name = CommandId.parse(`${id}.${order.verb.replace(".", "-")}.${commands}`);
  await dispatch({ id: name, host, queueUrl, vm: id, epoch, ...order });
}
