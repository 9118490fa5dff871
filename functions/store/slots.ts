import { z } from "zod";
import { type HostId, MigrationId } from "../../core/id.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import { apartBlockers } from "../../core/plan/rule-blockers.ts";
import { apartMembers, apartUpdate } from "./apart-groups.ts";
import { keys, type Lane } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { dequeueWrites, type Limit } from "./queue-lanes.ts";
import { deleteItem, getItem, transact, write } from "./table.ts";

type Admitted = Pick<StoredMigration, "id" | "vm" | "source" | "target" | "heldBytes" | "apart">;

export type SlotLimits = { readonly out: number; readonly in: number };

/**
 * Condition of each write that gives a host a guest: the host is active, and nobody has cordoned it.
 * So nothing comes to a host once its cordon is written.
 */
export const hostIsOpen = {
  condition: "#state = :active AND (attribute_not_exists(#cordons) OR size(#cordons) = :none)",
  values: { ":active": "active", ":none": 0 },
};

/**
 * Writes of a transaction that take an outgoing slot, an incoming slot, the target's memory, and the
 * VM's place in its groups that stand apart. The slots are sets of migration ids, so taking or
 * releasing one twice counts once.
 *
 * @param memoryBytes memory that the target may give to guests
 * @param limits fewer slots than the hosts' own, as the links' rates allow
 */
export function slotWrites(
  { id, vm, source, target, heldBytes, apart }: Admitted,
  memoryBytes: number,
  limits?: SlotLimits,
) {
  const groups = apartUpdate(vm, apart);
  const below = (slots: "outgoing" | "incoming", limit: string) => {
    const isBelow = limits === undefined ? "" : ` AND size(#${slots}) < :slots`;
    return `(attribute_not_exists(#${slots}) OR (size(#${slots}) < ${limit}${isBelow}))`;
  };
  return [
    write.update({
      key: keys.host(source),
      update: "ADD #outgoing :id",
      condition: below("outgoing", "#slotsOut"),
      values: { ":id": new Set([id]), ...(limits === undefined ? {} : { ":slots": limits.out }) },
    }),
    write.update({
      key: keys.host(target),
      update: `ADD #incoming :id, #reservedBytes :bytes${groups.actions}`,
      condition: `${below("incoming", "#slotsIn")} AND #reservedBytes <= :limit AND ${hostIsOpen.condition}${groups.condition}`,
      names: groups.names,
      values: {
        ...hostIsOpen.values,
        ...groups.values,
        ...(limits === undefined ? {} : { ":slots": limits.in }),
        ":id": new Set([id]),
        ":bytes": heldBytes,
        ":limit": memoryBytes - heldBytes,
      },
    }),
  ];
}

/**
 * The write of a transaction that releases one slot, and what the guest has on the same host: memory,
 * and its place in its groups.
 *
 * @param guest `remains`: its process is there, or may be, and keeps all that
 */
export function releaseSlot(
  { id, vm, source, target, heldBytes, apart }: Admitted,
  slots: "outgoing" | "incoming",
  guest: "leaves" | "remains",
) {
  const groups = apartUpdate(vm, guest === "leaves" ? apart : []);
  return write.update({
    key: keys.host(slots === "outgoing" ? source : target),
    update: `ADD #reservedBytes :back DELETE #slots :id${groups.actions}`,
    condition: "contains(#slots, :holder)",
    names: { ...groups.names, "#slots": slots },
    values: {
      ...groups.values,
      ":back": guest === "leaves" ? -heldBytes : 0,
      ":id": new Set([id]),
      ":holder": id,
    },
  });
}

/**
 * Takes slots and memory for a migration that was written without them: all or none.
 *
 * @param memoryBytes memory that the target may give to guests
 * @returns a limit that is used up; `refused`: the target has room, and does not take it
 */
export async function takeSlots(
  migration: StoredMigration,
  memoryBytes: number,
): Promise<"held" | "ended" | "refused" | Limit> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const failed = await transact([
      write.update({
        key: keys.migration(migration.id),
        update: "SET #slots = :held",
        condition:
          "#status = :running AND attribute_not_exists(#slots) AND attribute_not_exists(#cancelRequestedAt)",
        values: { ":held": "held", ":running": "running" },
      }),
      ...slotWrites(migration, memoryBytes),
      ...dequeueWrites(migration),
    ]);
    if (failed.length === 0) return "held";
    if (failed.includes(0)) return "ended";
    const full = await fullLimit(migration, memoryBytes);
    if (full !== undefined) return full;
  }
  return "refused";
}

/** How often a limit may become free between the write and the look at what was in its way. */
const TRIES_MAX = 3;

async function fullLimit(
  { source, target, heldBytes }: Admitted,
  memoryBytes: number,
): Promise<Limit | undefined> {
  const [from, to] = await Promise.all([source, target].map((host) => getItem(keys.host(host))));
  const at = Counted.parse(from ?? {});
  const into = Counted.parse(to ?? {});
  if (at.outgoing.size >= at.slotsOut) return { host: source, kind: "out" };
  if (into.incoming.size >= into.slotsIn) return { host: target, kind: "in" };
  if (into.reservedBytes + heldBytes > memoryBytes) return { host: target, kind: "memory" };
  return undefined;
}

/** What keeps the VM off the target because of other VMs there, or on their way. */
export async function findApart({ vm, target, apart = [] }: Admitted): Promise<Blocker[]> {
  const required = apart.filter(({ strength }) => strength === "required");
  if (required.length === 0) return [];
  const members = apartMembers((await getItem(keys.host(target))) ?? {});
  return required.flatMap(({ group }) => apartBlockers(vm, group, members[group] ?? []));
}

/** Takes a migration that waits no more out of its lane. */
export async function forgetWaiting(id: MigrationId, lane: Lane): Promise<void> {
  await Promise.all([
    deleteItem(keys.laneMember(lane, id)),
    deleteItem(keys.queued(lane.target, id)),
  ]);
}

/** Migrations that hold slots which this one needs. */
export async function listHolders({ source, target }: StoredMigration): Promise<MigrationId[]> {
  const [from, to] = await Promise.all([source, target].map((host) => getItem(keys.host(host))));
  const { outgoing } = Holders.parse(from ?? {});
  const { incoming } = Holders.parse(to ?? {});
  return [...new Set([...outgoing, ...incoming])];
}

/** How many slots of this host are taken. */
export async function countHolders(host: HostId): Promise<{ outgoing: number; incoming: number }> {
  const { outgoing, incoming } = Holders.parse((await getItem(keys.host(host))) ?? {});
  return { outgoing: outgoing.size, incoming: incoming.size };
}

/** Migrations that hold a slot of this host, out or in. */
export async function listMigrationsAt(host: HostId): Promise<MigrationId[]> {
  const { outgoing, incoming } = Holders.parse((await getItem(keys.host(host))) ?? {});
  return [...outgoing, ...incoming];
}

/** Migrations that hold a slot into this host. */
export async function listIncoming(host: HostId): Promise<MigrationId[]> {
  const { incoming } = Holders.parse((await getItem(keys.host(host))) ?? {});
  return [...incoming];
}

/** Migrations that hold a slot of this host, in either direction. */
export async function listHolding(host: HostId): Promise<MigrationId[]> {
  const { outgoing, incoming } = Holders.parse((await getItem(keys.host(host))) ?? {});
  return [...outgoing, ...incoming];
}

const Ids = z.set(MigrationId).default(new Set<MigrationId>());
const Holders = z.object({ outgoing: Ids, incoming: Ids });

const Counted = Holders.extend({
  slotsOut: z.int().default(0),
  slotsIn: z.int().default(0),
  reservedBytes: z.int().default(0),
});
