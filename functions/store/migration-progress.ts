/** What tasks and operators write into the record of a running migration. */
import { StaleMigration } from "../../core/errors.ts";
import { phaseEntered } from "../../core/fleet-event/untold-events.ts";
import type { MigrationId } from "../../core/id.ts";
import {
  type Failure,
  type Gate,
  isFinal,
  nextPhases,
  Phase,
  type Prediction,
} from "../../core/migration/migration.ts";
import type { Agreement } from "../../core/negotiate/agreement.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import type { VfioDevice } from "../../core/protocol/probe.ts";
import { addEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import {
  parseMigration,
  readMigration,
  type StoredDecision,
  type StoredMigration,
} from "./migration-record.ts";
import { updateRunning, updateRunningReading } from "./migration-update.ts";
import { toStoredAgreement } from "./stored-agreement.ts";
import { updateIf, updateItem } from "./table.ts";

/** The attempt in a command's id has at most four digits. */
export const BANDWIDTH_CHANGES_MAX = 9_999;

export type Entered = {
  readonly migration: StoredMigration;
  /** The fleet's event of it is written: awaited before the task ends, after what is urgent. */
  readonly recorded: Promise<unknown>;
};

/**
 * Enters a phase and returns the record, in one write. A phase that was entered before is left as it
 * is: a repeated task only reads the record.
 *
 * @throws StaleMigration when the migration has ended, or is on its way back and the phase is not
 */
export async function enterPhase(id: MigrationId, phase: Phase): Promise<Entered> {
  const now = new Date().toISOString();
  const before = Phase.options.filter((other) => nextPhases(other).includes(phase));
  const item = await updateItem({
    key: keys.migration(id),
    update: "SET #phase = :phase, #phases = list_append(#phases, :entry), #updatedAt = :now",
    condition: `#status = :running AND #phase IN (${before.map((_, i) => `:p${i}`).join(", ") || ":none"})`,
    values: {
      ":phase": phase,
      ":entry": [{ name: phase, startedAt: now }],
      ":now": now,
      ":running": "running",
      ...(before.length === 0 ? { ":none": "none" } : {}),
      ...Object.fromEntries(before.map((other, i) => [`:p${i}`, other])),
    },
  });
  if (item !== undefined) {
    const entered = parseMigration(item);
    const recorded = addEvents([phaseEntered(entered, phase)]);
    // Its failure is thrown where it is awaited.
    recorded.catch(() => undefined);
    return { migration: entered, recorded };
  }
  const migration = await readMigration(id);
  if (isFinal(migration.status)) {
    throw new StaleMigration(`Failed to enter ${phase}: migration ${id} is ${migration.status}`);
  }
  if (onWayBack(migration.phase) && !onWayBack(phase)) {
    throw new StaleMigration(`Failed to enter ${phase}: migration ${id} is in ${migration.phase}`);
  }
  return { migration, recorded: Promise.resolve() };
}

function onWayBack(phase: Phase): boolean {
  return phase === "reconcile" || phase === "undo" || phase === "end";
}

export type Negotiated = {
  agreement: Agreement;
  /** The guest's run state at the source when it was probed. */
  runState: string;
  vfioDevices: VfioDevice[];
  prediction: Prediction;
  gate: Gate | undefined;
};

/** Records what both sides agreed on; the first agreement wins. */
export async function recordAgreement(id: MigrationId, negotiated: Negotiated): Promise<void> {
  const { agreement, runState, vfioDevices, prediction, gate } = negotiated;
  const gated = gate === undefined ? "" : ", #gate = if_not_exists(#gate, :gate)";
  await updateRunning(id, {
    set: `#agreement = if_not_exists(#agreement, :agreement), #runStateBefore = if_not_exists(#runStateBefore, :runState), #vfioDevices = :vfioDevices, #prediction = if_not_exists(#prediction, :prediction)${gated}`,
    values: {
      ":agreement": toStoredAgreement(agreement),
      ":runState": runState,
      ":vfioDevices": vfioDevices,
      ":prediction": prediction,
      ...(gate === undefined ? {} : { ":gate": gate }),
    },
  });
}

/**
 * Records the permit to switch over; the first one wins. Undefined if the migration has no gate or is
 * being cancelled.
 */
export async function recordPermit(
  id: MigrationId,
  by: NonNullable<Gate["permittedBy"]>,
): Promise<StoredMigration | undefined> {
  return updateRunningReading(id, {
    set: "#permits = if_not_exists(#permits, :none) + :one, #gate.#permittedAt = if_not_exists(#gate.#permittedAt, :now), #gate.#permittedBy = if_not_exists(#gate.#permittedBy, :by)",
    condition: "attribute_exists(#gate) AND attribute_not_exists(#cancelRequestedAt)",
    values: { ":by": by, ":none": 0, ":one": 1 },
  });
}

/**
 * Records another limit for what the source may send, with a revision of its own. Undefined, and
 * nothing is written, unless the migration has started, has not ended, is not being cancelled, and has
 * not stopped its guest: the switchover itself is not limited.
 */
export async function recordBandwidth(
  id: MigrationId,
  maxBandwidthBytesPerSecond: number,
): Promise<StoredMigration | undefined> {
  return updateRunningReading(id, {
    set: "#maxBandwidthBytesPerSecond = :limit, #bandwidthRevision = if_not_exists(#bandwidthRevision, :zero) + :one",
    condition:
      "attribute_exists(#startedAtMs) AND attribute_not_exists(#stoppedAtMs) AND attribute_not_exists(#cancelRequestedAt) AND (attribute_not_exists(#bandwidthRevision) OR #bandwidthRevision < :max)",
    values: {
      ":limit": maxBandwidthBytesPerSecond,
      ":zero": 0,
      ":one": 1,
      ":max": BANDWIDTH_CHANGES_MAX,
    },
  });
}

/**
 * Records that a cancel was requested. Undefined when the migration has ended, or is past the point of
 * no return: its guest has stopped on the source, or postcopy has begun.
 */
export async function requestCancel(id: MigrationId): Promise<StoredMigration | undefined> {
  return updateRunningReading(id, {
    set: "#cancelRequestedAt = if_not_exists(#cancelRequestedAt, :now)",
    condition:
      "attribute_not_exists(#stoppedAtMs) AND attribute_not_exists(#postcopyAtMs) AND attribute_not_exists(#sourceCompletedAtMs) AND #phase <> :confirm",
    values: { ":confirm": "confirm" },
  });
}

/** Records why the migration will not complete; the first cause wins. */
export async function recordFailure(id: MigrationId, failure: Failure): Promise<void> {
  await updateRunning(id, {
    set: "#failure = if_not_exists(#failure, :failure)",
    values: { ":failure": failure },
  });
}

/** Records the failure of a prepared migration. False when it has its slots, or has ended. */
export async function endPrepared(id: MigrationId, failure: Failure): Promise<boolean> {
  return updateIf({
    key: keys.migration(id),
    update: "SET #failure = if_not_exists(#failure, :failure)",
    condition: "#status = :running AND #slots = :preparing",
    values: { ":failure": failure, ":running": "running", ":preparing": "preparing" },
  });
}

/** Records, once, that a prepared migration waits for its slots. */
export async function noteWaiting(id: MigrationId): Promise<void> {
  await updateRunning(id, {
    set: "#waitsSince = if_not_exists(#waitsSince, :now)",
    values: { ":now": new Date().toISOString() },
  });
}

/** Records, once, the decision to go on without the ACK: the successor's id and policy. */
export async function recordRestart(
  id: MigrationId,
  restart: NonNullable<StoredMigration["restart"]>,
): Promise<void> {
  await updateRunning(id, {
    set: "#restart = if_not_exists(#restart, :restart)",
    values: { ":restart": restart },
  });
}

/** Records what was observed at a turn and the decision; the same turn again changes nothing. */
export async function recordDecision(
  id: MigrationId,
  decision: StoredDecision,
  observations: { source?: Observation | undefined; target?: Observation | undefined },
): Promise<void> {
  await updateRunning(id, {
    set: "#decisions = list_append(#decisions, :decision), #turns = :turn, #observations = :observations",
    condition: "(attribute_not_exists(#turns) AND size(#decisions) < :turn) OR #turns < :turn",
    values: { ":decision": [decision], ":observations": observations, ":turn": decision.turn },
  });
}
