import * as z from "zod";
import { type HostId, MigrationId } from "../../core/id.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import {
  admissionOf,
  type Ends,
  fullSlots,
  type HostCounts,
  isSourceKind,
  isTenantKind,
  type LimitKind,
  placesOf,
} from "../../core/plan/admission.ts";
import { apartBlockers } from "../../core/plan/rule-blockers.ts";
import { apartMembers } from "./apart-groups.ts";
import { parseHost, type StoredHost, withHeard } from "./hosts.ts";
import { keys, type Lane, type Limit } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { dequeueWrites } from "./queue-lanes.ts";
import { type Admitted, admissionWrites, startWrites } from "./slot-writes.ts";
import { deleteItem, getItem, getItems, type Key, transact, write } from "./table.ts";
import { tenantCounts } from "./tenants.ts";

/** What the turn of a migration depends on, read at one moment. */
export type TurnView = {
  readonly ends: Ends;
  /** With whether it is silent. */
  readonly target: StoredHost | undefined;
};

export async function readTurnView(migration: Admitted): Promise<TurnView> {
  const { source, target, tenant, slotLimits, rateBytesPerSecond } = migration;
  const wanted = [keys.host(source), keys.host(target), keys.hostHeard(target)];
  const own = tenant === undefined ? [] : [keys.tenant(tenant)];
  const rows = await getItems([...wanted, ...own]);
  const row = (key: Key) => rows.find(({ pk, sk }) => pk === key.pk && sk === key.sk);
  const from = row(keys.host(source));
  const to = row(keys.host(target));
  return {
    ends: {
      source: countsOf(from),
      target: countsOf(to),
      ...(tenant === undefined ? {} : { tenant: tenantCounts(row(keys.tenant(tenant))) }),
      slotLimits,
      rateBytesPerSecond,
    },
    target: to === undefined ? undefined : withHeard(parseHost(to), row(keys.hostHeard(target))),
  };
}

/**
 * Admits a migration that was written without slots and memory: all or nothing.
 *
 * @returns a limit that is used up; `refused`: the target has room, and does not take it
 */
export function admit(migration: StoredMigration, view: TurnView): Promise<Taken> {
  return take(migration, view, async ({ ends, target }) => {
    const memoryBytes = target?.memoryBytes ?? 0;
    const chosen = admissionOf({ ...ends, heldBytes: migration.heldBytes, memoryBytes });
    if (chosen !== "held" && chosen !== "preparing") return limitAt(migration, chosen);
    const by = { as: chosen, places: placesOf(ends), ends };
    return [
      recordWrite(migration.id, chosen, { condition: "attribute_not_exists(#slots)", values: {} }),
      ...admissionWrites(migration, memoryBytes, by),
    ];
  });
}

/**
 * Gives a prepared migration its slots: both or none.
 *
 * @param also more that must hold in the same write, asked for once there is a slot; `held-back`: it
 *   does not
 */
export function takeSlots(
  migration: StoredMigration,
  view: TurnView,
  also: () => Promise<Writes | "held-back"> = async () => [],
): Promise<Taken> {
  return take(migration, view, async ({ ends }) => {
    const full = fullSlots(ends);
    if (full !== undefined) return limitAt(migration, full);
    const more = await also();
    if (more === "held-back") return more;
    return [
      recordWrite(migration.id, "held", {
        // A prepared migration that was told to end has its failure in the record.
        condition: "#slots = :preparing AND attribute_not_exists(#failure)",
        values: { ":preparing": "preparing" },
      }),
      ...startWrites(migration, ends),
      ...more,
    ];
  });
}

type Taken = "held" | "ended" | "held-back" | "refused" | Limit;
export type Writes = Parameters<typeof transact>[0];

/** How often a limit may change between the read and the write. */
const TRIES_MAX = 3;

async function take(
  migration: StoredMigration,
  first: TurnView,
  plan: (view: TurnView) => Promise<Limit | Writes | "held-back">,
): Promise<Taken> {
  const { status, cancelRequestedAt } = migration;
  if (status !== "running" || cancelRequestedAt !== undefined) return "ended";
  let view = first;
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    if (attempt > 1) view = await readTurnView(migration);
    const planned = await plan(view);
    if (!Array.isArray(planned)) return planned;
    const failed = await transact([...planned, ...dequeueWrites(migration)]);
    if (failed.length === 0) return "held";
    if (failed.includes(0)) return "ended";
    const also = OWN_WRITES + (migration.tenant === undefined ? 0 : 1);
    if (failed.some((place) => place >= also)) return "held-back";
  }
  return "refused";
}

/** The record and both hosts; behind them in the transaction is the tenant. */
const OWN_WRITES = 3;

/** Condition that a migration has what it had when it was read: slots, places or nothing. */
export function slotsAsRead({ slots }: Pick<StoredMigration, "slots">) {
  if (slots === undefined) return { condition: "attribute_not_exists(#slots)", values: {} };
  return { condition: "#slots = :slotsBefore", values: { ":slotsBefore": slots } };
}

function recordWrite(
  id: MigrationId,
  slots: "held" | "preparing",
  { condition, values }: { condition: string; values: Record<string, string> },
) {
  const now = new Date().toISOString();
  const isHeld = slots === "held";
  return write.update({
    key: keys.migration(id),
    update: `SET #slots = :slots${isHeld ? ", #slotsSince = :now" : ""}`,
    condition: `#status = :running AND ${condition} AND attribute_not_exists(#cancelRequestedAt)`,
    values: {
      ":slots": slots,
      ":running": "running",
      ...(isHeld ? { ":now": now } : {}),
      ...values,
    },
  });
}

function limitAt({ source, target, tenant }: Admitted, kind: LimitKind): Limit {
  if (!isTenantKind(kind)) return { host: isSourceKind(kind) ? source : target, kind };
  if (tenant === undefined) throw new Error("Expected a tenant whose limit is used up");
  return { tenant, kind };
}

function countsOf(item: unknown): HostCounts {
  return countsOfHost(Counted.parse(item ?? {}));
}

type CountedHost = Omit<HostCounts, SetName | "linkOut" | "linkIn"> &
  Readonly<Record<SetName, ReadonlySet<string>>> & {
    readonly linkOutBytesPerSecond?: number | undefined;
    readonly linkInBytesPerSecond?: number | undefined;
    /** As its agent reports it. */
    readonly linkBytesPerSecond?: number | undefined;
  };
type SetName = "outgoing" | "incoming" | "preparingOut" | "preparingIn";

export function countsOfHost(host: CountedHost): HostCounts {
  const { slotsOut, slotsIn, prepareAhead, rateOut, rateIn, reservedBytes } = host;
  return {
    slotsOut,
    slotsIn,
    prepareAhead,
    linkOut: host.linkOutBytesPerSecond ?? host.linkBytesPerSecond,
    linkIn: host.linkInBytesPerSecond ?? host.linkBytesPerSecond,
    rateOut,
    rateIn,
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
  linkOutBytesPerSecond: z.number().optional(),
  linkInBytesPerSecond: z.number().optional(),
  linkBytesPerSecond: z.number().optional(),
  rateOut: z.number().default(0),
  rateIn: z.number().default(0),
  reservedBytes: z.int().default(0),
});
