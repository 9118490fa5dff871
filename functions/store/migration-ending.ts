import { migrationEnded, phaseEntered } from "../../core/fleet-event/untold-events.ts";
import type { HostId, MigrationId } from "../../core/id.ts";
import {
  allPhases,
  type EndState,
  type Failure,
  type MigrationStatus,
} from "../../core/migration/migration.ts";
import type { GuestEnd } from "../../core/vm-exit.ts";
import type { VmState } from "../../core/vm-state.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { dequeueWrites } from "./queue-lanes.ts";
import { keptSeconds } from "./retention.ts";
import { releaseWrites } from "./slot-writes.ts";
import { slotsAsRead } from "./slots.ts";
import { removeMembers } from "./switchover-groups.ts";
import { expiresIn, updateIf, write } from "./table.ts";
import { moveHistory, turnsAsRead } from "./turns.ts";

/** A guest that has arrived, as its host reported it last. */
export type Arrived = {
  state: VmState;
  /** Absent for a guest whose process has ended since, or that was never reported. */
  runState?: string | undefined;
  reason?: string | undefined;
  /** Number of the host's event that reported it. */
  seq?: number | undefined;
};

/**
 * Writes the end of a migration whose guest has arrived on the target: the record, the VM's host and
 * state, the lock and both hosts' slots change together. False when the migration has ended before,
 * or the target has reported a change since it was read.
 *
 * A migration with slots waits in no lane, or its row is removed when the lane is served.
 */
export async function endCompleted(migration: StoredMigration, arrived: Arrived): Promise<boolean> {
  const { id, target } = migration;
  const nowMs = Date.now();
  const now = new Date(nowMs).toISOString();
  const phases = allPhases(migration.phases, migration, nowMs);
  const runs = arrived.state === "running";
  const seen = unchanged(migration, "target");
  const downtimeMs = migration.figures?.downtimeMs;
  const ended = migrationEnded(migration, { status: "completed", downtimeMs, host: target });
  const writes = [
    write.update({
      key: keys.migration(id),
      update: `SET #status = :completed, #phase = :phase, #phases = :phases, #endState = :endState, #endedAt = :now, #updatedAt = :now, #slots = :released, #ttl = :ttl${runs ? ", #runningOn = :target" : ""} REMOVE #failure`,
      condition: `#status = :running AND #slots = :held AND ${seen.condition}`,
      values: {
        ":completed": "completed",
        ":phase": phases.at(-1)?.name ?? migration.phase,
        ":phases": phases,
        ":running": "running",
        ":endState": endState(target, arrived),
        ":now": now,
        ":held": "held",
        ":released": "released",
        ":ttl": expiresIn(keptSeconds.migration),
        ...(runs ? { ":target": target } : {}),
        ...seen.values,
      },
    }),
    write.update({
      key: keys.vm(migration.vm),
      ...vmAt(target, arrived, now, migration),
    }),
    write.delete(keys.hostVm(migration.source, migration.vm)),
    write.put(keys.hostVm(target, migration.vm)),
    ...releaseWrites(migration, { source: "leaves", target: "remains" }),
    write.delete(keys.secret(id)),
  ];
  return (await transactWithEvents(writes, [ended])).length === 0;
}

/** The guest's own state and run state, without the fields that only the VM's record has. */
function endState(host: HostId, { state, runState }: Arrived): EndState {
  return { host, state, ...(runState === undefined ? {} : { runState }) };
}

/** Nothing new was reported by that side since the record was read. */
function unchanged(migration: StoredMigration, side: "source" | "target") {
  const seq = migration[`${side}RunState`]?.seq;
  const exit = migration[`${side}Exit`];
  return {
    condition: `${seq === undefined ? `attribute_not_exists(#${side}RunState)` : `#${side}RunState.#seq = :seq`} AND ${exit === undefined ? "attribute_not_exists" : "attribute_exists"}(#${side}Exit)`,
    values: seq === undefined ? {} : { ":seq": seq },
  };
}

/**
 * The VM's update at the end: the guest is on that host, the lock is released. What the VM's record
 * knows of the guest's run state is kept if the guest is where it was and nothing newer was reported.
 */
function vmAt(host: HostId, guest: Arrived, now: string, migration: StoredMigration) {
  const { state, runState, reason, seq } = guest;
  const isSeen = seq !== undefined;
  const seen = isSeen ? ", #runStateFrom = :host, #runStateSeq = :seq" : "";
  const removed = ["#lockedBy"];
  if (isSeen || host === migration.target) {
    if (runState === undefined) removed.push("#runState");
    if (reason === undefined) removed.push("#detail");
    if (!isSeen) removed.push("#runStateFrom", "#runStateSeq");
  }
  return {
    update: `SET #host = :host, #state = :state, #stateSince = :now, #updatedAt = :now${runState === undefined ? "" : ", #runState = :runState"}${seen}${reason === undefined ? "" : ", #detail = :detail"} REMOVE ${removed.join(", ")}`,
    condition: "#lockedBy = :id",
    values: {
      ":host": host,
      ":state": state,
      ":now": now,
      ":id": migration.id,
      ...(runState === undefined ? {} : { ":runState": runState }),
      ...(isSeen ? { ":seq": seq } : {}),
      ...(reason === undefined ? {} : { ":detail": reason }),
    },
  };
}

/** What becomes of the VM when its migration did not complete. */
export type VmAfter =
  | ({ place: "source" } & Arrived)
  /** No copy is left: the source's process has ended. */
  | { place: "none"; end: GuestEnd }
  /** Keeps the lock, so that nothing is done to the VM. */
  | { place: "unknown" };

export type NotCompleted = {
  status: Exclude<MigrationStatus, "running" | "completed">;
  failure: Failure;
  vm: VmAfter;
};

/**
 * Writes the end of a migration that did not complete. False when it has ended before, or the source
 * has reported a change since it was read.
 */
export async function endNotCompleted(
  migration: StoredMigration,
  end: NotCompleted,
): Promise<boolean> {
  const { id, source } = migration;
  const now = new Date().toISOString();
  const slots = slotsAsRead(migration);
  const isUnknown = end.vm.place === "unknown";
  const isAdmitted = migration.slots !== undefined;
  const waits = migration.slots !== "held";
  const phase = { name: "end", startedAt: now };
  const at = endStateOf(source, end.vm);
  const runs = end.vm.place === "source" && end.vm.state === "running";
  const seen = unchanged(migration, "source");
  const { status, failure } = end;
  const ended = migrationEnded(migration, { status, failure, host: at?.host });
  const writes = [
    write.update({
      key: keys.migration(id),
      update: `SET #status = :status, #failure = :failure, #phase = :end, #phases = list_append(#phases, :phase), #endedAt = :now, #updatedAt = :now${isUnknown ? "" : ", #slots = :released, #ttl = :ttl"}${at === undefined ? "" : ", #endState = :endState"}${runs ? ", #runningOn = :source" : ""}`,
      condition: `#status = :running AND ${slots.condition} AND ${seen.condition}`,
      values: {
        ":status": status,
        ":failure": failure,
        ":running": "running",
        ":end": "end",
        ":phase": [phase],
        ":now": now,
        ...(isUnknown ? {} : { ":released": "released", ":ttl": expiresIn(keptSeconds.migration) }),
        ...slots.values,
        ...(at === undefined ? {} : { ":endState": at }),
        ...(runs ? { ":source": source } : {}),
        ...seen.values,
      },
    }),
    write.update({ key: keys.vm(migration.vm), ...vmAfter(migration, end, now) }),
    write.delete(keys.secret(id)),
    ...(waits ? dequeueWrites(migration) : []),
    // On `unknown` the guest may still be sent, and run on either host: it keeps all that it has.
    ...(isAdmitted && !isUnknown
      ? releaseWrites(migration, {
          source: end.vm.place === "none" ? "leaves" : "remains",
          target: "leaves",
        })
      : []),
  ];
  return (await transactWithEvents(writes, [ended])).length === 0;
}

/** Absent when nobody knows where the guest is, and for a guest that was lost. */
function endStateOf(source: HostId, vm: VmAfter): EndState | undefined {
  if (vm.place === "source") return endState(source, vm);
  if (vm.place === "none" && vm.end.state !== "failed")
    return { host: source, state: vm.end.state };
  return undefined;
}

function vmAfter(migration: StoredMigration, { vm, failure }: NotCompleted, now: string) {
  const { id, source } = migration;
  const condition = "#lockedBy = :id";
  switch (vm.place) {
    case "source":
      return vmAt(source, vm, now, migration);
    case "none":
      return {
        update:
          "SET #state = :state, #stateSince = :now, #detail = :detail, #heldBytes = :none, #updatedAt = :now REMOVE #lockedBy, #runState",
        condition,
        values: {
          ":id": id,
          ":now": now,
          ":state": vm.end.state,
          ":detail": vm.end.detail,
          ":none": 0,
        },
      };
    case "unknown":
      return {
        update:
          "SET #state = :state, #stateSince = :now, #detail = :detail, #updatedAt = :now REMOVE #runState",
        condition,
        values: { ":id": id, ":now": now, ":state": "unknown", ":detail": failure.message },
      };
  }
}

/**
 * Lets what belongs to the record of an ended migration expire with it: its signals, and its place
 * among its VM's migrations. It is no member of its switchover group any more. Idempotent.
 */
export async function expireWithRecord({ id, vm, policy }: StoredMigration): Promise<void> {
  const { group } = policy.switchover;
  if (group !== undefined) await removeMembers(group.name, [id]);
  const ttl = expiresIn(keptSeconds.migration);
  await Promise.all(
    [keys.signals(id), keys.vmMigration(vm, id)].map((key) =>
      updateIf({
        key,
        update: "SET #ttl = if_not_exists(#ttl, :ttl)",
        condition: "attribute_exists(pk)",
        values: { ":ttl": ttl },
      }),
    ),
  );
}

/** Records the migration that continues after this one has ended. */
export async function recordSuccessor(id: MigrationId, successor: MigrationId): Promise<void> {
  await updateIf({
    key: keys.migration(id),
    update: "SET #successor = :successor",
    condition: "attribute_exists(pk)",
    values: { ":successor": successor },
  });
}

/** Records, after the end, the difference between the measured and the predicted downtime. */
export async function recordPredictionError(id: MigrationId, errorMs: number): Promise<void> {
  await updateIf({
    key: keys.migration(id),
    update: "SET #prediction.#errorMs = :errorMs",
    condition: "attribute_exists(#prediction)",
    values: { ":errorMs": errorMs },
  });
}

/**
 * Makes a migration whose end was unknown run again, on its way back, with the slots and the memory
 * that it has kept. False when another caller was first.
 */
export async function reopenUnknown(migration: StoredMigration): Promise<boolean> {
  const { id } = migration;
  const now = new Date().toISOString();
  const asRead = turnsAsRead(migration);
  const { decisions, phases } = await moveHistory(migration);
  const writes = [
    write.update({
      key: keys.migration(id),
      update:
        "SET #status = :running, #phase = :phase, #phases = :phases, #decisions = :decisions, #turns = :turnsRead, #turnsBefore = :turnsRead, #updatedAt = :now REMOVE #endedAt",
      condition: `#status = :unknown AND ${asRead.condition}`,
      values: {
        ":running": "running",
        ":unknown": "unknown",
        ":phase": "reconcile",
        ":phases": [...phases, { name: "reconcile", startedAt: now }],
        ":decisions": decisions,
        ...asRead.values,
        ":now": now,
      },
    }),
    write.update({
      key: keys.vm(migration.vm),
      update: "SET #state = :migrating, #stateSince = :now, #updatedAt = :now REMOVE #detail",
      condition: "#lockedBy = :id AND #state = :unknown",
      values: { ":migrating": "migrating", ":unknown": "unknown", ":id": id, ":now": now },
    }),
  ];
  const entered = phaseEntered(migration, "reconcile");
  return (await transactWithEvents(writes, [entered])).length === 0;
}
