import { z } from "zod";
import { type HostId, MigrationId } from "../../core/id.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import {
  admissionOf,
  type Ends,
  fullSlots,
  type HostCounts,
  type LimitKind,
  placesOf,
  type SlotLimits,
} from "../../core/plan/admission.ts";
import { apartBlockers } from "../../core/plan/rule-blockers.ts";
import { apartMembers, apartUpdate } from "./apart-groups.ts";
import { keys, type Lane } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { dequeueWrites, type Limit } from "./queue-lanes.ts";
import { deleteItem, getItem, transact, write } from "./table.ts";

type Admitted = Pick<
  StoredMigration,
  "id" | "vm" | "source" | "target" | "heldBytes" | "apart" | "slotLimits"
>;

/**
 * Condition of each write that gives a host a guest: the host is active, and nobody has cordoned it.
 * So nothing comes to a host once its cordon is written.
 */
export const hostIsOpen = {
  condition: "#state = :active AND (attribute_not_exists(#cordons) OR size(#cordons) = :none)",
  values: { ":active": "active", ":none": 0 },
};

/** How a migration is admitted: with its slots, or with places in the preparing pools. */
export type Admission = {
  readonly as: "held" | "preparing";
  /** Places of the hosts' preparing pools. */
  readonly places: SlotLimits;
};

/** The sets of a host's record in which ids of migrations are, by direction. */
const sets = {
  out: { held: "outgoing", preparing: "preparingOut", slots: "slotsOut" },
  in: { held: "incoming", preparing: "preparingIn", slots: "slotsIn" },
} as const;

/** Condition that a set has a free place. Both limits hold where there are two. */
function isFree(set: string, slots: string, limit: number | undefined): string {
  const isBelow = limit === undefined ? "" : ` AND size(#${set}) < :slots`;
  return `(attribute_not_exists(#${set}) OR (size(#${set}) < #${slots}${isBelow}))`;
}

/** What takes a place of a host in one direction. */
function admissionPart({ id, slotLimits }: Admitted, way: "out" | "in", by: Admission) {
  const { held, preparing, slots } = sets[way];
  const member = { ":id": new Set([id]) };
  if (by.as === "preparing") {
    const isBelow = `(attribute_not_exists(#${preparing}) OR size(#${preparing}) < :places)`;
    const values = { ...member, ":places": by.places[way] };
    return { action: `ADD #${preparing} :id`, condition: isBelow, values };
  }
  const limit = slotLimits?.[way];
  const isFirst = preparesAny(by.places) ? ` AND attribute_not_exists(#${preparing})` : "";
  return {
    action: `ADD #${held} :id`,
    condition: `${isFree(held, slots, limit)}${isFirst}`,
    values: { ...member, ...(limit === undefined ? {} : { ":slots": limit }) },
  };
}

function preparesAny(places: SlotLimits): boolean {
  return places.out > 0 && places.in > 0;
}

/**
 * Writes of a transaction that admit a migration: an outgoing and an incoming slot, or places in the
 * preparing pools, the target's memory, and the VM's place in its groups that stand apart. All are
 * sets of migration ids, so taking or releasing one twice counts once.
 *
 * @param memoryBytes memory that the target may give to guests
 */
export function admissionWrites(migration: Admitted, memoryBytes: number, by: Admission) {
  const { vm, source, target, heldBytes, apart } = migration;
  const groups = apartUpdate(vm, apart);
  const out = admissionPart(migration, "out", by);
  const inward = admissionPart(migration, "in", by);
  return [
    write.update({
      key: keys.host(source),
      update: out.action,
      condition: out.condition,
      values: out.values,
    }),
    write.update({
      key: keys.host(target),
      update: `${inward.action}, #reservedBytes :bytes${groups.actions}`,
      condition: `${inward.condition} AND #reservedBytes <= :limit AND ${hostIsOpen.condition}${groups.condition}`,
      names: groups.names,
      values: {
        ...hostIsOpen.values,
        ...groups.values,
        ...inward.values,
        ":bytes": heldBytes,
        ":limit": memoryBytes - heldBytes,
      },
    }),
  ];
}

/** Writes of a transaction by which a prepared migration exchanges its places for slots. */
function startWrites({ id, source, target, slotLimits }: Admitted) {
  const exchange = (way: "out" | "in") => {
    const { held, preparing, slots } = sets[way];
    const limit = slotLimits?.[way];
    return {
      update: `ADD #${held} :id DELETE #${preparing} :id`,
      condition: `contains(#${preparing}, :holder) AND ${isFree(held, slots, limit)}`,
      values: {
        ":id": new Set([id]),
        ":holder": id,
        ...(limit === undefined ? {} : { ":slots": limit }),
      },
    };
  };
  const inward = exchange("in");
  return [
    write.update({ key: keys.host(source), ...exchange("out") }),
    write.update({
      key: keys.host(target),
      ...inward,
      condition: `${inward.condition} AND ${hostIsOpen.condition}`,
      values: { ...inward.values, ...hostIsOpen.values },
    }),
  ];
}

/**
 * The write of a transaction that releases what a migration has of one host, a slot or a place, and
 * what the guest has there: memory, and its place in its groups.
 *
 * @param guest `remains`: its process is there, or may be, and keeps all that
 */
export function releaseSlot(
  { id, vm, source, target, heldBytes, apart }: Admitted,
  way: "out" | "in",
  guest: "leaves" | "remains",
) {
  const { held, preparing } = sets[way];
  const groups = apartUpdate(vm, guest === "leaves" ? apart : []);
  return write.update({
    key: keys.host(way === "out" ? source : target),
    update: `ADD #reservedBytes :back DELETE #${held} :id, #${preparing} :id${groups.actions}`,
    condition: `contains(#${held}, :holder) OR contains(#${preparing}, :holder)`,
    names: groups.names,
    values: {
      ...groups.values,
      ":back": guest === "leaves" ? -heldBytes : 0,
      ":id": new Set([id]),
      ":holder": id,
    },
  });
}

/**
 * Admits a migration that was written without slots and memory: all or nothing.
 *
 * @param memoryBytes memory that the target may give to guests
 * @returns a limit that is used up; `refused`: the target has room, and does not take it
 */
export function admit(migration: StoredMigration, memoryBytes: number): Promise<Taken> {
  return take(migration, async () => {
    const ends = await readEnds(migration);
    const chosen = admissionOf({ ...ends, heldBytes: migration.heldBytes, memoryBytes });
    if (chosen !== "held" && chosen !== "preparing") return limitAt(migration, chosen);
    const by = { as: chosen, places: placesOf(ends) };
    return [
      recordWrite(migration.id, chosen, "attribute_not_exists(#slots)"),
      ...admissionWrites(migration, memoryBytes, by),
    ];
  });
}

/**
 * Gives a prepared migration its slots: both or none.
 *
 * @param also more that must hold in the same write; `held-back`: it does not
 */
export function takeSlots(migration: StoredMigration, also: Writes = []): Promise<Taken> {
  return take(migration, async () => {
    const full = fullSlots(await readEnds(migration));
    if (full !== undefined) return limitAt(migration, full);
    return [
      // A prepared migration that was told to end has its failure in the record.
      recordWrite(migration.id, "held", "#slots = :preparing AND attribute_not_exists(#failure)", {
        ":preparing": "preparing",
      }),
      ...startWrites(migration),
      ...also,
    ];
  });
}

type Taken = "held" | "ended" | "held-back" | "refused" | Limit;
type Writes = Parameters<typeof transact>[0];

/** How often a limit may change between the read and the write. */
const TRIES_MAX = 3;

async function take(
  migration: StoredMigration,
  plan: () => Promise<Limit | Writes>,
): Promise<Taken> {
  const { status, cancelRequestedAt } = migration;
  if (status !== "running" || cancelRequestedAt !== undefined) return "ended";
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const planned = await plan();
    if (!Array.isArray(planned)) return planned;
    const failed = await transact([...planned, ...dequeueWrites(migration)]);
    if (failed.length === 0) return "held";
    if (failed.includes(0)) return "ended";
    if (failed.some((place) => place >= ALSO_PLACE)) return "held-back";
  }
  return "refused";
}

/** Behind the record and both hosts in the transaction. */
const ALSO_PLACE = 3;

/** Condition that a migration has what it had when it was read: slots, places or nothing. */
export function slotsAsRead({ slots }: Pick<StoredMigration, "slots">) {
  if (slots === undefined) return { condition: "attribute_not_exists(#slots)", values: {} };
  return { condition: "#slots = :slotsBefore", values: { ":slotsBefore": slots } };
}

function recordWrite(id: MigrationId, slots: string, condition: string, more: object = {}) {
  return write.update({
    key: keys.migration(id),
    update: "SET #slots = :slots",
    condition: `#status = :running AND ${condition} AND attribute_not_exists(#cancelRequestedAt)`,
    values: { ":slots": slots, ":running": "running", ...more },
  });
}

function limitAt({ source, target }: Admitted, kind: LimitKind): Limit {
  return { host: kind === "out" || kind === "preparingOut" ? source : target, kind };
}

/** Both hosts as they are counted now. */
export async function readEnds({ source, target, slotLimits }: Admitted): Promise<Ends> {
  const [from, to] = await Promise.all([source, target].map((host) => getItem(keys.host(host))));
  return { source: countsOf(from), target: countsOf(to), slotLimits };
}

function countsOf(item: unknown): HostCounts {
  return countsOfHost(Counted.parse(item ?? {}));
}

type CountedHost = Omit<HostCounts, SetName> & Readonly<Record<SetName, ReadonlySet<string>>>;
type SetName = "outgoing" | "incoming" | "preparingOut" | "preparingIn";

export function countsOfHost(host: CountedHost): HostCounts {
  const { slotsOut, slotsIn, prepareAhead, reservedBytes } = host;
  return {
    slotsOut,
    slotsIn,
    prepareAhead,
    reservedBytes,
    outgoing: host.outgoing.size,
    incoming: host.incoming.size,
    preparingOut: host.preparingOut.size,
    preparingIn: host.preparingIn.size,
  };
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

/** Migrations that were admitted at the hosts of this one. */
export async function listHolders({ source, target }: StoredMigration): Promise<MigrationId[]> {
  const [from, to] = await Promise.all([readHolders(source), readHolders(target)]);
  const out = [...from.outgoing, ...from.preparingOut];
  return [...new Set([...out, ...to.incoming, ...to.preparingIn])];
}

/** Migrations that were admitted at this host, out or in. */
export async function listHolding(host: HostId): Promise<MigrationId[]> {
  const { outgoing, incoming, preparingOut, preparingIn } = await readHolders(host);
  return [...outgoing, ...incoming, ...preparingOut, ...preparingIn];
}

/** Migrations that were admitted into this host. */
export async function listIncoming(host: HostId): Promise<MigrationId[]> {
  const { incoming, preparingIn } = await readHolders(host);
  return [...incoming, ...preparingIn];
}

async function readHolders(host: HostId) {
  return Holders.parse((await getItem(keys.host(host))) ?? {});
}

const Ids = z.set(MigrationId).default(new Set<MigrationId>());
const Holders = z.object({
  outgoing: Ids,
  incoming: Ids,
  preparingOut: Ids,
  preparingIn: Ids,
});

const Counted = Holders.extend({
  slotsOut: z.int().default(0),
  slotsIn: z.int().default(0),
  prepareAhead: z.int().optional(),
  reservedBytes: z.int().default(0),
});
