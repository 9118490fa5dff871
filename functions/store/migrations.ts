import { z } from "zod";
import type { ClimbedRung } from "../../core/convergence/ladder.ts";
import { StaleMigration } from "../../core/errors.ts";
import { type HostId, MigrationId, type VmId } from "../../core/id.ts";
import {
  type Failure,
  type Gate,
  isFinal,
  Migration,
  type MigrationStatus,
  nextPhases,
  Phase,
  type Prediction,
} from "../../core/migration/migration.ts";
import { Agreement } from "../../core/negotiate/agreement.ts";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { verbs } from "../../core/protocol/command.ts";
import { AckEvidence } from "../../core/protocol/event.ts";
import { Observation } from "../../core/protocol/observation.ts";
import { VfioDevice } from "../../core/protocol/probe.ts";
import { VmDefinition } from "../../core/vm.ts";
import { keys } from "./keys.ts";
import { type Listed, type Page, pageOf } from "./page.ts";
import { getItem, getItems, queryItems, type Update, updateIf, updateItem } from "./table.ts";

const { migrationUri, handover } = verbs["target.prepare"].result.shape;

const StoredDecision = z.object({
  turn: z.int().positive(),
  at: z.string(),
  action: z.string(),
  reason: z.string(),
});

/**
 * Kept as text: nothing asks for parts of it, and as hundreds of attributes it made up most of what
 * each change of the record costs.
 */
const StoredAgreement = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(Agreement);

/** The record, with what the steps need and the API does not show. */
const StoredMigration = z.object({
  ...Migration.omit({ ack: true }).shape,
  agreement: StoredAgreement.optional(),
  /** As it was when the lock was taken: the lock keeps it from changing. */
  definition: VmDefinition,
  queueUrls: z.object({ source: z.string(), target: z.string() }),
  /** Memory of the guest: held on both ends while it moves. */
  heldBytes: z.int().nonnegative(),
  slots: z.enum(["held", "released"]).optional(),
  wasRunning: z.boolean().optional(),
  ackEvidence: AckEvidence.optional(),
  ackedAtMs: z.number().optional(),
  prepared: z.object({ migrationUri, handover }).optional(),
  recoveryUri: z.string().nullable().optional(),
  /** What each end said of its failure. */
  sourceFailure: z.string().optional(),
  targetFailure: z.string().optional(),
  /** The target's QEMU ended while the migration was under way; its last words. */
  targetExited: z.string().optional(),
  /** The same of the source's, before it had completed. */
  sourceExited: z.string().optional(),
  /** How often leave was sent: each time is a command of its own. */
  permits: z.int().positive().optional(),
  heldAtMs: z.number().optional(),
  openedAtMs: z.number().optional(),
  /** Passed-through devices as the source told: what load times are learned by. */
  vfioDevices: z.array(VfioDevice).optional(),
  /** Written with the decision to go on without the ACK: the migration that will. */
  restart: z.object({ id: MigrationId, policy: MigrationPolicy }).optional(),
  /** Grows with each change of the bandwidth limit. */
  bandwidthRevision: z.int().positive().optional(),
  decisions: z.array(StoredDecision),
  /** Looks of earlier times, when it was looked into again after an unknown end. */
  turnsBefore: z.int().nonnegative().optional(),
  observations: z
    .object({ source: Observation.optional(), target: Observation.optional() })
    .optional(),
});
export type StoredMigration = z.infer<typeof StoredMigration>;

export function parseMigration(item: unknown): StoredMigration {
  return StoredMigration.parse(item);
}

/** The record as the API shows it. */
export function publicMigration(stored: StoredMigration): Migration {
  const { agreement, ackEvidence, ackedAtMs, gate, heldAtMs, openedAtMs } = stored;
  return PublicMigration.parse({
    ...stored,
    ...(gate === undefined ? {} : { gate: { ...gate, heldAtMs, openedAtMs } }),
    ...(agreement === undefined
      ? {}
      : {
          ack: {
            mode: agreement.ackMode,
            pendingDevices: ackEvidence === undefined ? agreement.ackDevices : [],
            ...(agreement.ackMode === "none"
              ? {}
              : { evidence: ackEvidence, ackedAtMs: ackedAtMs }),
          },
        }),
  });
}

const PublicMigration = z.object(Migration.shape);

export async function findMigration(id: MigrationId): Promise<StoredMigration | undefined> {
  const item = await getItem(keys.migration(id));
  return item === undefined ? undefined : parseMigration(item);
}

/** @throws StaleMigration when there is none of that id */
export async function readMigration(id: MigrationId): Promise<StoredMigration> {
  const migration = await findMigration(id);
  if (migration === undefined) throw new StaleMigration(`Failed to find migration ${id}`);
  return migration;
}

/** Newest first. */
export async function listMigrations(
  filter: { vm?: VmId | undefined; status?: MigrationStatus | undefined },
  page: Page,
): Promise<Listed<Migration>> {
  if (filter.vm !== undefined) return listOfVm(filter.vm, filter.status, page);
  return pageOf({
    partition: "MIGRATIONS",
    keyOf: keys.migration,
    read: (item) => publicMigration(parseMigration(item)),
    page,
    newestFirst: true,
    ...(filter.status === undefined
      ? {}
      : { filter: "#status = :status", values: { ":status": filter.status } }),
  });
}

async function listOfVm(
  vm: VmId,
  status: MigrationStatus | undefined,
  page: Page,
): Promise<Listed<Migration>> {
  const { items, more, last } = await queryItems({
    partition: ["pk", `VM#${vm}`],
    prefix: ["sk", "MIG#"],
    limit: page.limit,
    newestFirst: true,
    ...(page.after === undefined ? {} : { after: keys.vmMigration(vm, page.after as MigrationId) }),
  });
  const ids = items.map((item) => String(item.sk).slice("MIG#".length) as MigrationId);
  const records = await getItems(ids.map((id) => keys.migration(id)));
  return {
    items: records
      .map((item) => publicMigration(parseMigration(item)))
      .filter((migration) => status === undefined || migration.status === status)
      .sort((a, b) => (a.id < b.id ? 1 : -1)),
    ...(more && last !== undefined ? { next: last.slice("MIG#".length) } : {}),
  };
}

/**
 * Enters a phase and returns the record, in one write. A phase entered before stays as it is: a
 * repeated task reads the record and goes on.
 *
 * @throws StaleMigration when the migration is over, or on its way back and the phase is not
 */
export async function enterPhase(id: MigrationId, phase: Phase): Promise<StoredMigration> {
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
  if (item !== undefined) return parseMigration(item);
  const migration = await readMigration(id);
  if (isFinal(migration.status)) {
    throw new StaleMigration(`Failed to enter ${phase}: migration ${id} is ${migration.status}`);
  }
  if (onWayBack(migration.phase) && !onWayBack(phase)) {
    throw new StaleMigration(`Failed to enter ${phase}: migration ${id} is in ${migration.phase}`);
  }
  return migration;
}

function onWayBack(phase: Phase): boolean {
  return phase === "reconcile" || phase === "undo" || phase === "end";
}

export type Negotiated = {
  agreement: Agreement;
  wasRunning: boolean;
  vfioDevices: VfioDevice[];
  prediction: Prediction;
  gate: Gate | undefined;
};

/** What both ends agreed on; the first agreement stays. */
export async function recordAgreement(id: MigrationId, negotiated: Negotiated): Promise<void> {
  const { agreement, wasRunning, vfioDevices, prediction, gate } = negotiated;
  const gated = gate === undefined ? "" : ", #gate = if_not_exists(#gate, :gate)";
  await change(id, {
    update: `#agreement = if_not_exists(#agreement, :agreement), #wasRunning = :wasRunning, #vfioDevices = :vfioDevices, #prediction = if_not_exists(#prediction, :prediction)${gated}`,
    values: {
      ":agreement": JSON.stringify(agreement),
      ":wasRunning": wasRunning,
      ":vfioDevices": vfioDevices,
      ":prediction": prediction,
      ...(gate === undefined ? {} : { ":gate": gate }),
    },
  });
}

/** Leave to switch over; the first stays. Undefined when there is no gate, or nothing to be left. */
export async function recordPermit(
  id: MigrationId,
  by: NonNullable<Gate["permittedBy"]>,
): Promise<StoredMigration | undefined> {
  const item = await updateItem(
    ofRunning(id, {
      update:
        "#permits = if_not_exists(#permits, :none) + :one, #gate.#permittedAt = if_not_exists(#gate.#permittedAt, :now), #gate.#permittedBy = if_not_exists(#gate.#permittedBy, :by)",
      condition: "attribute_exists(#gate) AND attribute_not_exists(#cancelRequestedAt)",
      values: { ":by": by, ":none": 0, ":one": 1 },
    }),
  );
  return item === undefined ? undefined : parseMigration(item);
}

/** The migration that goes on after this one; after the end. */
export async function recordSuccessor(id: MigrationId, successor: MigrationId): Promise<void> {
  await updateIf({
    key: keys.migration(id),
    update: "SET #successor = :successor",
    condition: "attribute_exists(pk)",
    values: { ":successor": successor },
  });
}

/** False when the migration is over: then the VM's own record is the place for it. */
export async function recordExited(
  id: MigrationId,
  side: "source" | "target",
  detail: string,
): Promise<boolean> {
  return updateIf(
    ofRunning(id, {
      update: `#${side}Exited = if_not_exists(#${side}Exited, :detail)`,
      values: { ":detail": detail },
    }),
  );
}

/** How far the real downtime was from the expected one; after the end. */
export async function recordPredictionError(id: MigrationId, errorMs: number): Promise<void> {
  await updateIf({
    key: keys.migration(id),
    update: "SET #prediction.#errorMs = :errorMs",
    condition: "attribute_exists(#prediction)",
    values: { ":errorMs": errorMs },
  });
}

/** The decision to go on without the ACK, made once: the successor's id and policy. */
export async function recordRestart(
  id: MigrationId,
  restart: NonNullable<StoredMigration["restart"]>,
): Promise<void> {
  await change(id, {
    update: "#restart = if_not_exists(#restart, :restart)",
    values: { ":restart": restart },
  });
}

/** Why it will not complete; the first cause stays. */
export async function recordFailure(id: MigrationId, failure: Failure): Promise<void> {
  await change(id, {
    update: "#failure = if_not_exists(#failure, :failure)",
    values: { ":failure": failure },
  });
}

/** A rung that its source climbed; told again it changes nothing. */
export async function recordRung(id: MigrationId, climbed: ClimbedRung): Promise<void> {
  await change(id, {
    update: "#rungs = list_append(if_not_exists(#rungs, :none), :climbed)",
    condition: "attribute_not_exists(#rungs) OR size(#rungs) < :rung",
    values: { ":climbed": [climbed], ":none": [], ":rung": climbed.rung },
  });
}

/** Where the target listens after a break in postcopy; null: it has everything. The newest counts. */
export async function recordRecovery(
  id: MigrationId,
  host: HostId,
  uri: string | null,
): Promise<void> {
  await change(id, {
    update: "#recoveryUri = :uri",
    condition: "#target = :host",
    values: { ":uri": uri, ":host": host },
  });
}

/** Where the prepared target listens. Only the target of a running migration may say so. */
export async function recordPrepared(
  id: MigrationId,
  host: HostId,
  prepared: { migrationUri: string; handover: { address: string; port: number }; startMs: number },
): Promise<void> {
  const { startMs, ...where } = prepared;
  await change(id, {
    update: "#prepared = if_not_exists(#prepared, :where), #targetStartMs = :startMs",
    condition: "#target = :host",
    values: {
      ":where": { migrationUri: where.migrationUri, handover: where.handover },
      ":startMs": startMs,
      ":host": host,
    },
  });
}

/** What both ends said and what follows from it; the same turn again changes nothing. */
export async function recordDecision(
  id: MigrationId,
  decision: z.infer<typeof StoredDecision>,
  observations: { source?: Observation | undefined; target?: Observation | undefined },
): Promise<void> {
  await change(id, {
    update: "#decisions = list_append(#decisions, :decision), #observations = :observations",
    condition: "size(#decisions) < :turn",
    values: { ":decision": [decision], ":observations": observations, ":turn": decision.turn },
  });
}

/** Undefined when it is over, or when its guest has stopped on the source: no way back from there. */
export async function requestCancel(id: MigrationId): Promise<StoredMigration | undefined> {
  const item = await updateItem(
    ofRunning(id, {
      update: "#cancelRequestedAt = if_not_exists(#cancelRequestedAt, :now)",
      condition:
        "attribute_not_exists(#stoppedAtMs) AND attribute_not_exists(#postcopyAtMs) AND attribute_not_exists(#sourceCompletedAtMs) AND #phase <> :confirm",
      values: { ":confirm": "confirm" },
    }),
  );
  return item === undefined ? undefined : parseMigration(item);
}

type Change = { update: string; condition?: string; values: Record<string, unknown> };

/** A change of a running migration: nothing is changed once it is over. */
async function change(id: MigrationId, what: Change): Promise<void> {
  await updateIf(ofRunning(id, what));
}

function ofRunning(id: MigrationId, what: Change): Update {
  const also = what.condition === undefined ? "" : ` AND (${what.condition})`;
  return {
    key: keys.migration(id),
    update: `SET ${what.update}, #updatedAt = :now`,
    condition: `#status = :running${also}`,
    values: { ...what.values, ":running": "running", ":now": new Date().toISOString() },
  };
}
