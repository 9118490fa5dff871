import { migrationEnded, migrationRequested } from "../../core/fleet-event/untold-events.ts";
import {
  admissionOf,
  type Ends,
  isSourceKind,
  isTenantKind,
  placesOf,
  preparesAhead,
} from "../../core/plan/admission.ts";
import { rulesAsRead } from "./apart-groups.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { takeKey } from "./idempotency.ts";
import { keys } from "./keys.ts";
import { migrationItem, type StoredMigration } from "./migration-record.ts";
import { noSignals } from "./signals.ts";
import { type Admission, admissionWrites, releaseWrites } from "./slot-writes.ts";
import { findApart, slotsAsRead } from "./slots.ts";
import { type transact, write } from "./table.ts";

export type NewMigration = {
  migration: StoredMigration;
  /** By which the two agents authenticate each other; 32 bytes, hex. */
  handoverKey: string;
  idempotency: { key: string; bodyHash: string };
  /** Memory that the target may give to guests. */
  memoryBytes: number;
  /** What the records of the hosts and the tenant counted when they were read. */
  counts: Pick<Ends, "source" | "target" | "tenant">;
  /** Of the VM when it was read: its groups are those of then. */
  rulesRevision: number;
};

/** Places of the key's write and of the first slot's in the transaction. */
const KEY_PLACE = 5;
const SLOTS_PLACE = 6;

/**
 * Writes a migration and takes the VM's lock with its new epoch, all or nothing. The lock is taken
 * only if the VM still is as it was read: in that state, on that host, with that epoch and rules.
 * Where both hosts have room, the migration is admitted in the same transaction, with its slots or to
 * be prepared; otherwise it must wait for its turn. Returns what was written; `apart`: the target has
 * a VM from which this one stands apart.
 */
export async function createMigration(
  made: NewMigration,
): Promise<NewMigration | "vm-changed" | "key-used" | "apart"> {
  const { migration, memoryBytes } = made;
  const requested = [migrationRequested(migration)];
  for (const by of admissionsOf(made)) {
    const admitted = withSlots(migration, by);
    const failed = await transactWithEvents(
      [...creationWrites(made, admitted), ...admissionWrites(admitted, memoryBytes, by)],
      requested,
    );
    if (failed.length === 0) return { ...made, migration: admitted };
    if (failed.some((place) => place < SLOTS_PLACE)) return reasonOf(failed);
  }
  if ((await findApart(migration)).length > 0) return "apart";
  const failed = await transactWithEvents(creationWrites(made, migration), requested);
  return failed.length === 0 ? made : reasonOf(failed);
}

function withSlots(migration: StoredMigration, { as: slots }: Admission): StoredMigration {
  return slots === "held"
    ? { ...migration, slots, slotsSince: migration.createdAt }
    : { ...migration, slots };
}

/** How it may be admitted by what was read: another migration may be faster than its write. */
export function admissionsOf({ migration, memoryBytes, counts }: NewMigration): Admission[] {
  const { heldBytes, slotLimits, rateBytesPerSecond } = migration;
  const ends = { ...counts, slotLimits, rateBytesPerSecond };
  const places = placesOf(ends);
  switch (admissionOf({ ...ends, heldBytes, memoryBytes })) {
    case "held":
      return preparesAhead(ends)
        ? [
            { as: "held", places, ends },
            { as: "preparing", places, ends },
          ]
        : [{ as: "held", places, ends }];
    case "preparing":
      return [{ as: "preparing", places, ends }];
    default:
      return [];
  }
}

/** Where it cannot be admitted, by what was read. */
export function fullEnd({ migration, memoryBytes, counts }: NewMigration): NotAdmitted {
  const { heldBytes, slotLimits, rateBytesPerSecond } = migration;
  const ends = { ...counts, slotLimits, rateBytesPerSecond };
  const limit = admissionOf({ ...ends, heldBytes, memoryBytes });
  if (limit === "held" || limit === "preparing") return "target-full";
  if (isTenantKind(limit)) return "tenant-full";
  return isSourceKind(limit) ? "source-full" : "target-full";
}

/** Why a migration was not admitted with its creation. */
export type NotAdmitted =
  | "evacuation-changed"
  | "vm-changed"
  | "key-used"
  | "source-full"
  | "target-full"
  | "tenant-full";

/**
 * Writes a migration only if it is admitted so, together with what its evacuation writes of it: all
 * or nothing. `target-full`: no slot, too little memory, or the target takes no guests.
 */
export async function createAdmitted(
  made: NewMigration,
  by: Admission,
  evacuationWrites: Parameters<typeof transact>[0],
): Promise<NewMigration | NotAdmitted> {
  const admitted = withSlots(made.migration, by);
  const admission = admissionWrites(admitted, made.memoryBytes, by);
  const failed = await transactWithEvents(
    [...creationWrites(made, admitted), ...admission, ...evacuationWrites],
    [migrationRequested(admitted)],
  );
  if (failed.length === 0) return { ...made, migration: admitted };
  const evacuationPlace = SLOTS_PLACE + admission.length;
  if (failed.some((place) => place >= evacuationPlace)) return "evacuation-changed";
  if (failed.some((place) => place < SLOTS_PLACE)) return reasonOf(failed);
  if (failed.includes(SLOTS_PLACE)) return "source-full";
  return failed.includes(SLOTS_PLACE + 1) ? "target-full" : "tenant-full";
}

function reasonOf(failed: number[]): "vm-changed" | "key-used" {
  return failed.includes(KEY_PLACE) ? "key-used" : "vm-changed";
}

function creationWrites(made: NewMigration, migration: StoredMigration) {
  const rules = rulesAsRead(made);
  return [
    write.put(migrationItem(migration), { condition: "attribute_not_exists(pk)" }),
    write.put(noSignals(migration.id)),
    write.put({ ...keys.secret(migration.id), handoverKey: made.handoverKey }),
    write.put(keys.vmMigration(migration.vm, migration.id)),
    write.update({
      key: keys.vm(migration.vm),
      update:
        "SET #lockedBy = :id, #epoch = :epoch, #state = :migrating, #stateSince = :now, #updatedAt = :now",
      condition: `#state = :stateBefore AND attribute_not_exists(#lockedBy) AND #host = :source AND #epoch = :before AND ${rules.condition}`,
      values: {
        ...rules.values,
        ":id": migration.id,
        ":epoch": migration.epoch,
        ":before": migration.epoch - 1,
        ":migrating": "migrating",
        ":stateBefore": migration.stateBefore,
        ":source": migration.source,
        ":now": migration.createdAt,
      },
    }),
    takeKey(made.idempotency.key, {
      bodyHash: made.idempotency.bodyHash,
      migrationId: migration.id,
    }),
  ];
}

/**
 * Removes a migration whose execution could not be started. The VM's epoch is kept: it never
 * decreases. False when the migration has begun nevertheless.
 */
export async function withdrawMigration(made: NewMigration): Promise<boolean> {
  const { migration } = made;
  const slots = slotsAsRead(migration);
  const withdrawn = migrationEnded(migration, {
    status: "failed",
    host: migration.source,
    message: "its execution could not be started: it was withdrawn",
  });
  const writes = [
    write.delete(keys.migration(migration.id), {
      condition: `#status = :running AND #phase = :admit AND ${slots.condition}`,
      values: { ":running": "running", ":admit": "admit", ...slots.values },
    }),
    write.delete(keys.signals(migration.id)),
    write.delete(keys.secret(migration.id)),
    write.delete(keys.vmMigration(migration.vm, migration.id)),
    write.update({
      key: keys.vm(migration.vm),
      update: "SET #state = :before, #stateSince = :now, #updatedAt = :now REMOVE #lockedBy",
      condition: "#lockedBy = :id",
      values: {
        ":id": migration.id,
        ":before": migration.stateBefore,
        ":now": new Date().toISOString(),
      },
    }),
    write.delete(keys.idempotency(made.idempotency.key)),
    ...(migration.slots === undefined
      ? []
      : releaseWrites(migration, { source: "remains", target: "leaves" })),
  ];
  return (await transactWithEvents(writes, [withdrawn])).length === 0;
}
