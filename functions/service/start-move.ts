import { randomBytes } from "node:crypto";
import { neededMs } from "../../core/evacuation/eta.ts";
import { budgets } from "../../core/evacuation/outcome.ts";
import { planOptions } from "../../core/evacuation/request.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import {
  admissionOf,
  isSourceKind,
  isTenantKind,
  rateOf,
  type SlotLimits,
} from "../../core/plan/admission.ts";
import { inbound, outbound } from "../../core/plan/slots.ts";
import { isTimeFor } from "../../core/schedule/open-times.ts";
import { movableStates } from "../../core/vm-state.ts";
import {
  changeMove,
  findMove,
  inState,
  type QueuedMove,
  type StoredMove,
  transitionWrites,
  withTry,
} from "../store/evacuation-moves.ts";
import { listenTo } from "../store/evacuation-wakes.ts";
import { goesOn, type StoredEvacuation } from "../store/evacuations.ts";
import { readAllVms } from "../store/fleet.ts";
import { findHost, type StoredHost } from "../store/hosts.ts";
import { hashRequest } from "../store/idempotency.ts";
import {
  admissionsOf,
  createAdmitted,
  fullEnd,
  type NotAdmitted,
} from "../store/migration-creation.ts";
import { readMoveParties } from "../store/move-parties.ts";
import { countsOfHost } from "../store/slots.ts";
import { readTenantCounts } from "../store/tenants.ts";
import { hasEnded, type StoredVm } from "../store/vms.ts";
import { closedBy, ruleBlockers } from "./host-rules.ts";
import { beginMigration, newMigration, type StoredParties } from "./start-migration.ts";

/** What became of the wish to start a move. */
export type Started =
  | "started"
  /** The source has no slot and no place: none of its moves can start. */
  | "source-full"
  /** The target has neither: no move to it can start. Whatever is released there wakes the evacuation. */
  | "target-full"
  /** Its tenant has as many as it may: none of its moves can start. */
  | "tenant-full"
  /** It waits for something that wakes nobody, e.g. a guest that starts; others may go. */
  | "waits"
  /** On the way back: its old host has no room, or takes no guests. */
  | "roomless"
  /** It would not end before its window does: it goes in a later one. */
  | "too-late"
  /** It has changed: it is in no queue any more, or will be seen again. */
  | "changed"
  /** The evacuation may start nothing. */
  | "closed";

/**
 * Starts one waiting move as an ordinary migration, if both hosts have a slot, or a place to prepare
 * it, and the target has room.
 */
export async function startMove(
  evacuation: StoredEvacuation,
  queued: Pick<QueuedMove, "vm" | "source" | "target">,
): Promise<Started> {
  const { move, vm, source, target } = await readMoveParties(evacuation.id, queued);
  if (move?.state !== "waiting" || move.target !== queued.target) return "changed";
  const leg = evacuation.status === "rolling-back" ? "back" : "forward";
  if (move.leg !== leg) return "changed";
  const end = goneBecause(vm, move);
  if (end !== undefined) {
    await changeMove(evacuation.id, { before: move, after: inState(move, "gone", end) });
    return "changed";
  }
  if (vm === undefined || source === undefined) return "changed";
  if (vm.state === "unknown") {
    const reason = "nobody knows where it runs";
    const cure = `reconcile ${vm.id}, then retry it here`;
    await changeMove(evacuation.id, {
      before: move,
      after: inState(move, "unplaced", { reason, cure }),
    });
    return "changed";
  }
  if (vm.lockedBy !== undefined || !movableStates.includes(vm.state)) return "waits";
  if (await mustWaitAlone(evacuation, vm)) return "waits";
  const closed = target === undefined ? [{ message: "it is gone" }] : refusedBy(vm, target);
  if (target === undefined || closed.length > 0) {
    const why = closed.map(({ message }) => message).join("; ");
    return withoutTarget(evacuation, move, `${move.target}: ${why}`);
  }
  const takesMs = neededMs(move.predictedMs ?? 0, evacuation.work);
  const isInTime = leg === "back" || isTimeFor(evacuation.openTimes, Date.now(), takesMs);
  if (!isInTime) return "too-late";
  const tenant = await readTenantCounts(vm.tenant);
  return start(evacuation, move, { vm, source, target, tenant });
}

/**
 * While the VM in which the control plane runs moves, nobody answers the others for its downtime: it
 * goes when no migration is under way, and no move of its evacuation begins meanwhile.
 */
async function mustWaitAlone(evacuation: StoredEvacuation, vm: StoredVm): Promise<boolean> {
  if (evacuation.alone !== undefined) return true;
  if (vm.runsControlPlane !== true) return false;
  const moving = await readAllVms(
    Number.POSITIVE_INFINITY,
    ({ lockedBy, state }) => lockedBy !== undefined && state !== "unknown",
  );
  return moving.includes(true);
}

/** Why the target does not take the VM: by its own state, or by the rules of the VM. */
function refusedBy(vm: StoredVm, target: StoredHost): Blocker[] {
  return [...closedBy(target), ...ruleBlockers(vm, target, "evacuated")];
}

/** Why a VM is not to be moved any more. */
function goneBecause(vm: StoredVm | undefined, { source }: StoredMove) {
  if (vm === undefined) return { reason: "its record was removed" };
  if (vm.lockedBy !== undefined) return undefined;
  if (vm.host !== source) return { reason: `somebody else has moved it to ${vm.host}` };
  return hasEnded(vm) ? { reason: `its guest has ended: it is ${vm.state}` } : undefined;
}

async function start(
  evacuation: StoredEvacuation,
  move: StoredMove,
  parties: StoredParties,
): Promise<Started> {
  const { id } = evacuation;
  const policy = policyOf(evacuation);
  const made = newMigration(
    policy,
    parties,
    { key: randomBytes(16).toString("hex"), bodyHash: hashRequest({ id, vm: move.vm }) },
    {
      evacuation: id,
      slotLimits: slotLimits(evacuation, parties),
      streamBytesPerSecond: evacuation.options.streamBytesPerSecond,
    },
  );
  const { migration } = made;
  const startedAt = migration.createdAt;
  const tried = { migration: migration.id, target: migration.target, startedAt };
  const after = inState(move, "moving", {
    migration: migration.id,
    ...withTry(move, tried),
    ...(parties.vm.runsControlPlane === true ? { isAlone: true } : {}),
  });
  const [by] = admissionsOf(made);
  if (by === undefined) return refused(evacuation, move, fullEnd(made), parties.vm);
  const written = await createAdmitted(
    made,
    by,
    transitionWrites(id, { before: move, after }, mayStart(evacuation, after)),
  );
  if (typeof written !== "object") return refused(evacuation, move, written, parties.vm);
  if ((await beginMigration(written)) === "withdrawn") {
    const now = await findMove(id, move.vm);
    if (now?.state === "moving" && now.migration === migration.id) {
      const { tries, countedFrom } = move;
      await changeMove(id, { before: now, after: inState(now, "waiting", { tries, countedFrom }) });
    }
    throw new Error(`Failed to start the execution of ${migration.id}`);
  }
  return "started";
}

/**
 * What must hold in the write that starts a move: the evacuation goes on, and its limits leave room.
 */
function mayStart(evacuation: StoredEvacuation, { source, isAlone }: StoredMove) {
  const { limits, failedBefore } = evacuation;
  const { movesAtOnce, errorBudget } = limits;
  const going = goesOn(evacuation, source);
  const parts = [going.condition, "attribute_not_exists(#alone)"];
  if (isAlone === true) parts.push("#counters.#moving = :isZero");
  const values: Record<string, unknown> = { ...going.values };
  if (movesAtOnce !== undefined) {
    parts.push("#counters.#moving < :atOnce");
    values[":atOnce"] = movesAtOnce;
  }
  if (errorBudget !== undefined) {
    parts.push("#counters.#failed <= :budget");
    values[":budget"] = failedBefore + errorBudget;
  }
  return { text: parts.join(" AND "), values, names: going.names };
}

/** Slots by the links' rates: the plan counts with the same ones. */
function slotLimits(
  evacuation: Pick<StoredEvacuation, "policy" | "options">,
  { source, target }: Pick<StoredParties, "source" | "target">,
): SlotLimits {
  const rates = planOptions(evacuation, [source.id]);
  const from = countsOfHost(source);
  const to = countsOfHost(target);
  return {
    out: outbound({ linkOutBytesPerSecond: from.linkOut, slotsOut: source.slotsOut }, rates).slots,
    in: inbound({ linkInBytesPerSecond: to.linkIn, slotsIn: target.slotsIn }, rates).slots,
  };
}

function policyOf({ policy, limits }: StoredEvacuation): MigrationPolicy {
  const { maxBandwidthBytesPerSecond } = limits;
  return maxBandwidthBytesPerSecond === undefined
    ? policy
    : { ...policy, maxBandwidthBytesPerSecond };
}

async function refused(
  evacuation: StoredEvacuation,
  move: StoredMove,
  why: NotAdmitted,
  vm: StoredVm,
): Promise<Started> {
  switch (why) {
    case "evacuation-changed": {
      const now = await findMove(evacuation.id, move.vm);
      if (now?.revision !== move.revision) return "changed";
      // Others of the evacuation may have begun: they do not wait for it.
      return vm.runsControlPlane === true ? "waits" : "closed";
    }
    case "vm-changed":
    case "key-used":
      return "waits";
    case "source-full":
      return move.leg === "forward" ? "source-full" : atSource(evacuation, move, vm);
    case "target-full":
      return atTarget(evacuation, move, vm);
    case "tenant-full":
      return atTenant(evacuation, move, vm);
  }
}

/** On the way back nobody listens to the source yet. */
async function atSource(
  evacuation: StoredEvacuation,
  move: StoredMove,
  vm: StoredVm,
): Promise<Started> {
  await listenTo({ host: move.source }, evacuation.id);
  // What was released before that has woken nobody.
  const limit = await limitNow(evacuation, move, vm);
  return limit !== undefined && isSourceKind(limit) ? "source-full" : "waits";
}

/** Its rows in the queues get the tenant's name: the next steps know what they need not try. */
async function atTenant(
  evacuation: StoredEvacuation,
  move: StoredMove,
  vm: StoredVm,
): Promise<Started> {
  const { tenant } = vm;
  if (tenant === undefined) return "waits";
  await listenTo({ tenant }, evacuation.id);
  const limit = await limitNow(evacuation, move, vm);
  if (limit === undefined || !isTenantKind(limit)) return "waits";
  if (move.tenant !== tenant) {
    const reason = `the tenant ${tenant} has as many migrations as its limit allows`;
    await changeMove(evacuation.id, {
      before: move,
      after: inState(move, "waiting", { tenant, reason }),
    });
  }
  return "tenant-full";
}

/** What is used up now for a move; undefined: nothing is, or a host is gone. */
async function limitNow(evacuation: StoredEvacuation, move: StoredMove, vm: StoredVm) {
  const [source, target, tenant] = await Promise.all([
    findHost(move.source),
    move.target === undefined ? undefined : findHost(move.target),
    readTenantCounts(vm.tenant),
  ]);
  if (source === undefined || target === undefined) return undefined;
  const counts = { source: countsOfHost(source), target: countsOfHost(target), tenant };
  const admission = admissionOf({
    ...counts,
    slotLimits: slotLimits(evacuation, { source, target }),
    rateBytesPerSecond: rateOf(
      counts,
      policyOf(evacuation).maxBandwidthBytesPerSecond ?? evacuation.options.streamBytesPerSecond,
    ),
    heldBytes: vm.heldBytes,
    memoryBytes: target.memoryBytes ?? 0,
  });
  return admission === "held" || admission === "preparing" ? undefined : admission;
}

/** The target has no slot, which passes, or no room, which needs another target. */
async function atTarget(
  evacuation: StoredEvacuation,
  move: StoredMove,
  vm: StoredVm,
): Promise<Started> {
  const target = move.target === undefined ? undefined : await findHost(move.target);
  if (target === undefined) return "changed";
  // From now on whatever is released there wakes the evacuation; what was before is seen here.
  await listenTo({ host: target.id }, evacuation.id);
  const apart = ruleBlockers(vm, target, "evacuated");
  if (apart.length > 0) return withoutTarget(evacuation, move, reasonOf(target, apart));
  const limit = await limitNow(evacuation, move, vm);
  if (limit === "in" || limit === "rateIn" || limit === "preparingIn") return "target-full";
  const closed = closedBy(target);
  if (closed.length > 0) return withoutTarget(evacuation, move, reasonOf(target, closed));
  if (limit !== "memory") return "waits";
  return withoutTarget(evacuation, move, `${target.id} has too little memory left for it`);
}

function reasonOf({ id }: StoredHost, blockers: readonly Blocker[]): string {
  return `${id}: ${blockers.map(({ message }) => message).join("; ")}`;
}

/** The move needs another target. On the way back there is none. */
async function withoutTarget(
  { id }: StoredEvacuation,
  move: StoredMove,
  reason: string,
): Promise<Started> {
  if (move.leg === "back") return "roomless";
  const roomless = (move.roomless ?? 0) + 1;
  const isUsedUp = roomless >= budgets.capacity.tries;
  const after = isUsedUp
    ? inState(move, "failed", { reason, cure: "make room there, then retry the VM", roomless })
    : inState(move, "retrying", {
        reason,
        roomless,
        needsTarget: true,
        notBefore: new Date().toISOString(),
      });
  await changeMove(id, { before: move, after });
  return "changed";
}
