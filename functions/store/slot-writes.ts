import type { Ends, SlotLimits } from "../../core/plan/admission.ts";
import { apartUpdate } from "./apart-groups.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { write } from "./table.ts";

export type Admitted = Pick<
  StoredMigration,
  | "id"
  | "vm"
  | "source"
  | "target"
  | "tenant"
  | "heldBytes"
  | "apart"
  | "slots"
  | "slotLimits"
  | "rateBytesPerSecond"
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
  /** What was counted of the hosts. */
  readonly ends: Ends;
};

/** The attributes of a host's record that count migrations, by direction. */
const sets = {
  out: { held: "outgoing", preparing: "preparingOut", slots: "slotsOut", rate: "rateOut" },
  in: { held: "incoming", preparing: "preparingIn", slots: "slotsIn", rate: "rateIn" },
} as const;
type Way = keyof typeof sets;

/**
 * What takes a slot of a host, and the rate of its link. Both limits of slots hold where there are two.
 * A link that nobody uses takes any one stream.
 */
function slotPart({ id, slotLimits, rateBytesPerSecond }: Admitted, way: Way, ends: Ends) {
  const { held, slots, rate } = sets[way];
  const limit = slotLimits?.[way];
  const link = way === "out" ? ends.source.linkOut : ends.target.linkIn;
  const isBelow = limit === undefined ? "" : ` AND size(#${held}) < :slots`;
  const isFree = `(attribute_not_exists(#${held}) OR (size(#${held}) < #${slots}${isBelow}))`;
  const values: Record<string, unknown> = { ":id": new Set([id]) };
  if (limit !== undefined) values[":slots"] = limit;
  if (rateBytesPerSecond === undefined) {
    return { action: `ADD #${held} :id`, condition: isFree, values };
  }
  values[":rate"] = rateBytesPerSecond;
  const action = `ADD #${held} :id, #${rate} :rate`;
  if (link === undefined) return { action, condition: isFree, values };
  values[":zero"] = 0;
  values[":link"] = link - rateBytesPerSecond;
  const hasRate = `(attribute_not_exists(#${rate}) OR #${rate} = :zero OR #${rate} <= :link)`;
  return { action, condition: `${isFree} AND ${hasRate}`, values };
}

/** What takes a slot or a place of a host in one direction. */
function admissionPart(migration: Admitted, way: Way, { as, places, ends }: Admission) {
  const { preparing } = sets[way];
  if (as === "held") {
    const part = slotPart(migration, way, ends);
    const isFirst = preparesAny(places) ? ` AND attribute_not_exists(#${preparing})` : "";
    return { ...part, condition: `${part.condition}${isFirst}` };
  }
  return {
    action: `ADD #${preparing} :id`,
    condition: `(attribute_not_exists(#${preparing}) OR size(#${preparing}) < :places)`,
    values: { ":id": new Set([migration.id]), ":places": places[way] },
  };
}

/** What counts a migration with its VM's tenant: no write for a VM without one. */
function tenantWrites({ tenant, id }: Admitted, part: { update: string; condition: string }) {
  if (tenant === undefined) return [];
  const isOwn = /:holder/.test(part.condition) ? { ":holder": id } : {};
  const values = { ":id": new Set([id]), ...isOwn };
  return [write.update({ key: keys.tenant(tenant), ...part, values })];
}

/** The tenant has no limit, or has not reached it in that set. */
function isBelowLimit(set: "transferring" | "preparing"): string {
  return `(attribute_not_exists(#migrationsAtOnce) OR attribute_not_exists(#${set}) OR size(#${set}) < #migrationsAtOnce)`;
}

function tenantAdmission(migration: Admitted, { as, places }: Admission) {
  const set = as === "held" ? "transferring" : "preparing";
  const isFirst =
    as === "held" && preparesAny(places)
      ? " AND (attribute_not_exists(#migrationsAtOnce) OR attribute_not_exists(#preparing))"
      : "";
  const condition = `${isBelowLimit(set)}${isFirst}`;
  return tenantWrites(migration, { update: `ADD #${set} :id`, condition });
}

function preparesAny(places: SlotLimits): boolean {
  return places.out > 0 && places.in > 0;
}

/**
 * Writes of a transaction that admit a migration: an outgoing and an incoming slot, or places in the
 * preparing pools, the target's memory, and the VM's place in its groups that stand apart; then what
 * its tenant has. All are sets of migration ids, so taking or releasing one twice counts once.
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
    ...tenantAdmission(migration, by),
  ];
}

/** Writes of a transaction by which a prepared migration exchanges its places for slots. */
export function startWrites(migration: Admitted, ends: Ends) {
  const { id, source, target } = migration;
  const exchange = (way: Way) => {
    const { preparing } = sets[way];
    const { action, condition, values } = slotPart(migration, way, ends);
    return {
      update: `${action} DELETE #${preparing} :id`,
      condition: `contains(#${preparing}, :holder) AND ${condition}`,
      values: { ...values, ":holder": id },
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
    ...tenantWrites(migration, {
      update: "ADD #transferring :id DELETE #preparing :id",
      condition: `contains(#preparing, :holder) AND ${isBelowLimit("transferring")}`,
    }),
  ];
}

/** What becomes of the guest on both hosts of a migration that ends. */
type GuestAfter = { readonly source: "leaves" | "remains"; readonly target: "leaves" | "remains" };

/** Writes of a transaction that release all that a migration has, but what its guest has where it remains. */
export function releaseWrites(migration: Admitted, guest: GuestAfter) {
  return [
    releaseSlot(migration, "out", guest.source),
    releaseSlot(migration, "in", guest.target),
    ...tenantWrites(migration, {
      update: "DELETE #transferring :id, #preparing :id",
      condition: "contains(#transferring, :holder) OR contains(#preparing, :holder)",
    }),
  ];
}

/**
 * The write of a transaction that releases what a migration has of one host, a slot or a place, and
 * what the guest has there: memory, and its place in its groups.
 *
 * @param guest `remains`: its process is there, or may be, and keeps all that
 */
function releaseSlot(migration: Admitted, way: Way, guest: "leaves" | "remains") {
  const { id, vm, source, target, heldBytes, apart, slots, rateBytesPerSecond } = migration;
  const { held, preparing, rate } = sets[way];
  const groups = apartUpdate(vm, guest === "leaves" ? apart : []);
  const hasRate = slots === "held" && rateBytesPerSecond !== undefined;
  return write.update({
    key: keys.host(way === "out" ? source : target),
    update: `ADD #reservedBytes :back${hasRate ? `, #${rate} :rate` : ""} DELETE #${held} :id, #${preparing} :id${groups.actions}`,
    condition: `contains(#${held}, :holder) OR contains(#${preparing}, :holder)`,
    names: groups.names,
    values: {
      ...groups.values,
      ":back": guest === "leaves" ? -heldBytes : 0,
      ...(hasRate ? { ":rate": -rateBytesPerSecond } : {}),
      ":id": new Set([id]),
      ":holder": id,
    },
  });
}
