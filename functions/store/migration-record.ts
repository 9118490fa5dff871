import * as z from "zod";
import { DefinitionParts } from "../../core/definition/parts.ts";
import { StaleMigration } from "../../core/errors.ts";
import { MigrationId, type VmId } from "../../core/id.ts";
import { Migration, type MigrationStatus } from "../../core/migration/migration.ts";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { verbs } from "../../core/protocol/command.ts";
import { AckEvidence } from "../../core/protocol/event.ts";
import { Observation } from "../../core/protocol/observation.ts";
import { VfioDevice } from "../../core/protocol/probe.ts";
import { GuestEnd } from "../../core/vm-exit.ts";
import { Affinity, TenantName } from "../../core/vm-rules.ts";
import { SeenRunState } from "../../core/vm-run-state.ts";
import { VmState } from "../../core/vm-state.ts";
import { keys } from "./keys.ts";
import { type Listed, type Page, pageOf } from "./page.ts";
import { StoredAgreement } from "./stored-agreement.ts";
import { storedAs, toStored } from "./stored-definition.ts";
import { getItem, getItems, type Item, queryItems } from "./table.ts";

const { migrationUri, handover } = verbs["target.prepare"].result.shape;

const StoredDecision = z.object({
  turn: z.int().positive(),
  at: z.string(),
  action: z.string(),
  reason: z.string(),
  /** Why the undo step before this decision failed. */
  undoFailed: z.string().optional(),
});
export type StoredDecision = z.infer<typeof StoredDecision>;

/** The whole record: what the API shows, and what only the workflow's tasks need. */
const StoredMigration = z.object({
  ...Migration.omit({ ack: true }).shape,
  agreement: StoredAgreement.optional(),
  /** As it was when the VM's lock was taken: it cannot change while the lock is held. */
  definition: storedAs(DefinitionParts),
  queueUrls: z.object({ source: z.string(), target: z.string() }),
  /** Memory of the guest: held on both hosts while it moves. */
  heldBytes: z.int().nonnegative(),
  /** Groups from whose members the VM stands apart; its rules cannot change while the lock is held. */
  apart: z.array(Affinity).optional(),
  /** Of the VM; it cannot change while the lock is held. */
  tenant: TenantName.optional(),
  /** `preparing`: it has memory and a place in the preparing pools, and no slots yet. */
  slots: z.enum(["preparing", "held", "released"]).optional(),
  /** When it got its slots. */
  slotsSince: z.iso.datetime().optional(),
  /** Fewer slots than the hosts' own. */
  slotLimits: z.object({ out: z.int().positive(), in: z.int().positive() }).optional(),
  /** What it may send, B/s: it takes so much of both links with its slots. */
  rateBytesPerSecond: z.number().nonnegative().optional(),
  /** An operator has set the speed of one of its links: QEMU is told to send no more than its rate. */
  isRateCapped: z.boolean().optional(),
  /** It is prepared, and waits for its slots since then. */
  waitsSince: z.iso.datetime().optional(),
  /** The VM's state when its lock was taken. */
  stateBefore: VmState.default("running"),
  /** The guest's run state before the switchover: the one in which it must arrive. */
  runStateBefore: z.string().optional(),
  /** The newest run state that each side's host reported of the guest itself. */
  sourceRunState: SeenRunState.optional(),
  targetRunState: SeenRunState.optional(),
  /** Number of the event by which the guest has arrived: later run states are newer. */
  arrivedSeq: z.int().optional(),
  /** QEMU's words when it refused last to run the guest on the target. */
  runRefused: z.string().optional(),
  /** Boot id of the target's host when its QEMU was prepared. */
  targetBootId: z.string().optional(),
  ackEvidence: AckEvidence.optional(),
  ackedAtMs: z.number().optional(),
  prepared: z.object({ migrationUri, handover }).optional(),
  recoveryUri: z.string().nullable().optional(),
  /** The failure as each side reported it. */
  sourceFailure: z.string().optional(),
  targetFailure: z.string().optional(),
  /** How the target's QEMU process ended while the migration was under way. */
  targetExit: GuestEnd.optional(),
  /** How the source's QEMU process ended before the source had completed. */
  sourceExit: GuestEnd.optional(),
  /** How often the permit was sent: each time with a command id of its own. */
  permits: z.int().positive().optional(),
  heldAtMs: z.number().optional(),
  openedAtMs: z.number().optional(),
  /** Passed-through devices that the source reported: load times are learned by their classes. */
  vfioDevices: z.array(VfioDevice).optional(),
  /** Written with the decision to go on without the ACK: the successor's id and policy. */
  restart: z.object({ id: MigrationId, policy: MigrationPolicy }).optional(),
  /** Grows with each change of the bandwidth limit. */
  bandwidthRevision: z.int().positive().optional(),
  /** The latest: earlier ones are rows of the timeline. */
  decisions: z.array(StoredDecision),
  /** The newest turn of the way back. */
  turns: z.int().nonnegative().optional(),
  /** Turns of earlier executions, when the way back was taken again after an unknown end. */
  turnsBefore: z.int().nonnegative().optional(),
  observations: z
    .object({ source: Observation.optional(), target: Observation.optional() })
    .optional(),
});
export type StoredMigration = z.infer<typeof StoredMigration>;

export function parseMigration(item: unknown): StoredMigration {
  return StoredMigration.parse(item);
}

/** The item that a migration begins with. */
export function migrationItem(migration: StoredMigration): Item {
  return {
    ...keys.migration(migration.id),
    ...migration,
    definition: toStored(migration.definition),
    gsi1pk: listOf(migration.id),
    gsi1sk: migration.id,
  };
}

/** The part of the record that the API shows. */
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

/** @throws StaleMigration when no migration has that id */
export async function readMigration(id: MigrationId): Promise<StoredMigration> {
  const migration = await findMigration(id);
  if (migration === undefined) throw new StaleMigration(`Failed to find migration ${id}`);
  return migration;
}

/**
 * The list of all migrations is spread over these: a partition takes about 1,000 writes a second, and
 * each migration is written to its list twice. The first one was the only one once.
 */
export const migrationLists = [
  "MIGRATIONS",
  "MIGRATIONS#1",
  "MIGRATIONS#2",
  "MIGRATIONS#3",
] as const;

/** The list that a migration is in: the end of its id is random. */
export function listOf(id: MigrationId): string {
  return migrationLists[id.charCodeAt(id.length - 1) % migrationLists.length] ?? migrationLists[0];
}

/** Newest first. */
export async function listMigrations(
  filter: { vm?: VmId | undefined; status?: readonly MigrationStatus[] | undefined },
  page: Page,
): Promise<Listed<Migration>> {
  if (filter.vm !== undefined) return listMigrationsOfVm(filter.vm, filter.status, page);
  const wanted = (filter.status ?? []).map((status, place) => [`:status${place}`, status] as const);
  return pageOf({
    partitions: migrationLists,
    keyOf: keys.migration,
    read: (item) => publicMigration(parseMigration(item)),
    page,
    newestFirst: true,
    ...(wanted.length === 0
      ? {}
      : {
          filter: `#status IN (${wanted.map(([name]) => name).join(", ")})`,
          values: Object.fromEntries(wanted),
        }),
  });
}

async function listMigrationsOfVm(
  vm: VmId,
  statuses: readonly MigrationStatus[] | undefined,
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
      .filter(({ status }) => statuses === undefined || statuses.includes(status))
      .sort((a, b) => (a.id < b.id ? 1 : -1)),
    ...(more && last !== undefined ? { next: last.slice("MIG#".length) } : {}),
  };
}

/** The key by which the two agents authenticate each other; removed when the migration ends. */
export async function findHandoverKey(id: MigrationId): Promise<string | undefined> {
  const key = (await getItem(keys.secret(id)))?.handoverKey;
  return typeof key === "string" ? key : undefined;
}
