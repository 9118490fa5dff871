import { randomBytes } from "node:crypto";
import { type EvacuationId, MigrationId, ulid } from "../../core/id.ts";
import { withDisksOf } from "../../core/negotiate/copies.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { rateOf, type SlotLimits, type TenantCounts } from "../../core/plan/admission.ts";
import { log } from "../runtime/log.ts";
import { apartGroups } from "../store/apart-groups.ts";
import type { StoredHost } from "../store/hosts.ts";
import { type NewMigration, withdrawMigration } from "../store/migration-creation.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { countsOfHost } from "../store/slots.ts";
import type { StoredVm } from "../store/vms.ts";
import { executionArn, startExecution } from "./executions.ts";

/** The VM and both hosts of a migration, and what its tenant has, as they were read. */
export type StoredParties = {
  vm: StoredVm;
  source: StoredHost;
  target: StoredHost;
  tenant: TenantCounts | undefined;
};

/** Why a migration is made: as the successor of another one, or by an evacuation. */
export type Origin = {
  readonly successor?: { id: MigrationId; predecessor: MigrationId };
  readonly evacuation?: EvacuationId | undefined;
  /** Fewer slots than the hosts' own. */
  readonly slotLimits?: SlotLimits | undefined;
  /** What it is planned to send, B/s, where its policy has no limit. */
  readonly streamBytesPerSecond?: number | undefined;
};

/** Builds a migration to be written. */
export function newMigration(
  asked: MigrationPolicy,
  { vm, source, target, tenant }: StoredParties,
  idempotency: NewMigration["idempotency"],
  { successor, evacuation, slotLimits, streamBytesPerSecond }: Origin = {},
): NewMigration {
  const policy = withDisksOf(asked, vm);
  const now = new Date();
  const counts = { source: countsOfHost(source), target: countsOfHost(target), tenant };
  const rate = rateOf(counts, policy.maxBandwidthBytesPerSecond ?? streamBytesPerSecond);
  const id = successor?.id ?? MigrationId.parse(`mig_${ulid(now.getTime(), randomBytes(10))}`);
  const at = now.toISOString();
  const apart = apartGroups(vm);
  const speeds = [source.linkOutBytesPerSecond, target.linkInBytesPerSecond];
  return {
    migration: {
      id,
      vm: vm.id,
      source: source.id,
      target: target.id,
      policy,
      epoch: vm.epoch + 1,
      status: "running",
      phase: "admit",
      phases: [{ name: "admit", startedAt: at }],
      definition: vm.definition,
      stateBefore: vm.state,
      queueUrls: { source: source.queueUrl, target: target.queueUrl },
      heldBytes: vm.heldBytes,
      rateBytesPerSecond: rate,
      ...(speeds.every((speed) => speed === undefined) ? {} : { isRateCapped: true }),
      ...(apart.length === 0 ? {} : { apart }),
      ...(vm.tenant === undefined ? {} : { tenant: vm.tenant }),
      decisions: [],
      executionArn: executionArn(id),
      ...(successor === undefined ? {} : { predecessor: successor.predecessor }),
      ...(evacuation === undefined ? {} : { evacuation }),
      ...(slotLimits === undefined ? {} : { slotLimits }),
      createdAt: at,
      updatedAt: at,
    },
    handoverKey: randomBytes(32).toString("hex"),
    idempotency,
    memoryBytes: target.memoryBytes ?? 0,
    counts,
    rulesRevision: vm.rulesRevision,
  };
}

/**
 * Starts the execution of a migration that was written. When that fails, the migration is removed;
 * when it cannot be removed either, repeating the request starts it.
 */
export async function beginMigration(made: NewMigration): Promise<"begun" | "withdrawn"> {
  try {
    await startExecution(made.migration);
  } catch (cause) {
    log().error({ err: cause, migrationId: made.migration.id }, "failed to start an execution");
    if (await withdrawMigration(made)) return "withdrawn";
  }
  return "begun";
}

/**
 * Starts the execution of a migration whose writer died before it could; does nothing once the
 * execution has begun.
 *
 * @throws the error of Step Functions
 */
export async function startAgain(migration: StoredMigration): Promise<void> {
  if (migration.status === "running" && migration.phase === "admit")
    await startExecution(migration);
}
