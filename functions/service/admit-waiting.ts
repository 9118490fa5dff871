import type { EvacuationId, HostId, MigrationId } from "../../core/id.ts";
import {
  alikeKinds,
  hostKinds,
  preparingKinds,
  sourceKinds,
  tenantKinds,
} from "../../core/plan/admission.ts";
import type { TenantName } from "../../core/vm-rules.ts";
import { findHost, findHostNow } from "../store/hosts.ts";
import { type Lane, type Limit, ownerOf } from "../store/keys.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import {
  findLane,
  headOf,
  joinLane,
  laneOf,
  listQueued,
  listWatchers,
  removeLane,
  watchedKinds,
  watchLimit,
} from "../store/queue-lanes.ts";
import { forgetWaiting } from "../store/slots.ts";
import { closedBy } from "./host-rules.ts";
import { type Turn, takeTurn } from "./take-turn.ts";
import { wakeListeners } from "./wake-listeners.ts";

/** The signals of a waiting migration's turn: it was admitted, or has its slots. */
export const turnSignals = { preparing: "admitted", transferring: "slots-taken" } as const;
export type TurnSignal = (typeof turnSignals)[keyof typeof turnSignals];

/** How a waiting migration learns of its turn: agent-events by itself, others by asking it. */
export type Waker = {
  readonly admit: (id: MigrationId, signal: TurnSignal) => Promise<void>;
  readonly refuse: (id: MigrationId, why: string) => Promise<void>;
  /** Lets the workflow of an evacuation go on, if it waits. */
  readonly proceed: (id: EvacuationId) => Promise<void>;
};

/** Why a waiting migration is interrupted; the record has the whole reason. */
const CLOSED = "the target takes no guests any more";

/** Of a target that is closed: each one that has ended refuses the next ones. */
const REFUSED_AT_ONCE = 20;
/** Looks at one lane, and at the lanes of one limit: an end to a race that never ends. */
const TRIES_MAX = 1_000;

/** A call of {@link admitWaiting}. */
type Round = {
  readonly waker: Waker;
  /** Prepared migrations that got their slots: they have left the preparing pools. */
  readonly left: StoredMigration[];
};

/** Where something was released. */
type Freed = {
  readonly hosts: readonly HostId[];
  readonly tenants?: readonly TenantName[];
  /** Evacuations with VMs without a place look for one. */
  readonly makesRoom?: boolean;
  /** It is woken even where it does not wait for these hosts. */
  readonly evacuation?: EvacuationId | undefined;
};

/** Where a migration that ends, or leaves the preparing pools, has released something. */
export function freedBy({ source, target, tenant }: StoredMigration): Freed {
  return { hosts: [source, target], tenants: tenant === undefined ? [] : [tenant] };
}

/**
 * Called when slots, places or memory were released on these hosts, or for these tenants: gives
 * prepared migrations their slots and admits the waiting ones that now have room, oldest first. A
 * migration whose other host is full does not hold up the ones behind it. Those whose target has been
 * closed fail. Evacuations that wait for these hosts look at them after that.
 */
export async function admitWaiting(freed: Freed, waker: Waker): Promise<void> {
  const round: Round = { waker, left: [] };
  const hosts = new Set(freed.hosts);
  const tenants = new Set(freed.tenants);
  // First, as a tenant that is limited cannot keep the others from what is free.
  for (const tenant of tenants) {
    const kinds = await watchedKinds({ tenant }, tenantKinds);
    for (const kind of kinds) await serveLimit({ tenant, kind }, round);
  }
  for (const host of hosts) {
    const isClosed = await refuseClosed(host, waker);
    const kinds = await watchedKinds({ host }, isClosed ? sourceKinds : hostKinds);
    for (const kind of kinds) await serveLimit({ host, kind }, round);
  }
  const left = round.left.map(freedBy);
  const leftHosts = new Set(left.flatMap((one) => one.hosts));
  const leftTenants = new Set(left.flatMap((one) => one.tenants ?? []));
  // Nobody leaves the preparing pools by being admitted, so this ends.
  for (const host of leftHosts) {
    const kinds = await watchedKinds({ host }, preparingKinds);
    for (const kind of kinds) await serveLimit({ host, kind }, round);
  }
  for (const tenant of leftTenants) await serveLimit({ tenant, kind: "preparingTenant" }, round);
  const changed = {
    hosts: new Set([...hosts, ...leftHosts]),
    tenants: new Set([...tenants, ...leftTenants]),
    makesRoom: freed.makesRoom ?? false,
    evacuation: freed.evacuation,
  };
  await wakeListeners(changed, waker.proceed);
}

/** Puts a migration into its queue, and sees that it has not become the next one meanwhile. */
export async function awaitAdmission(
  migration: StoredMigration,
  limit: Limit,
  waker: Waker,
): Promise<void> {
  const round: Round = { waker, left: [] };
  await joinLane(migration, limit);
  await serveLane(laneOf(migration), round);
  const left = round.left.map(freedBy);
  if (left.length === 0) return;
  const hosts = left.flatMap((one) => one.hosts);
  await admitWaiting({ hosts, tenants: left.flatMap((one) => one.tenants ?? []) }, waker);
}

/** Fails the oldest migrations that wait for a closed target. True when there were some. */
async function refuseClosed(target: HostId, waker: Waker): Promise<boolean> {
  const ids = await listQueued(target, REFUSED_AT_ONCE);
  if (ids.length === 0) return false;
  const host = await findHostNow(target);
  if (host === undefined || closedBy(host).length === 0) return false;
  for (const id of ids) {
    const migration = await findMigration(id);
    if (migration === undefined || (await takeTurn(migration)) !== "closed") continue;
    await waker.refuse(id, CLOSED);
    await forgetWaiting(id, laneOf(migration));
  }
  return true;
}

/** Gives what was released of one limit to the lanes that wait for it. */
async function serveLimit(limit: Limit, round: Round): Promise<void> {
  let after: string | undefined;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const { lanes, next } = await listWatchers(limit, after);
    const room = lanes.length > 0 && limit.kind === "memory" ? await roomOf(limit.host) : undefined;
    for (const lane of lanes) {
      if (room !== undefined && 2 ** lane.sizeClass > room) continue;
      const full = await serveLane(lane, round);
      const isSame = full !== undefined && isSameLimit(full, limit);
      // Slots are alike for everybody; another lane may need less memory, or a lower rate.
      if (isSame && alikeKinds.includes(limit.kind)) return;
    }
    if (next === undefined) return;
    after = next;
  }
}

function isSameLimit(one: Limit, other: Limit): boolean {
  return one.kind === other.kind && ownerOf(one) === ownerOf(other);
}

/** Memory that is left for guests, bytes. */
async function roomOf(id: HostId): Promise<number> {
  const host = await findHost(id);
  return host === undefined ? 0 : (host.memoryBytes ?? 0) - host.reservedBytes;
}

/** Removes the lane of a migration that has ended while it waited, if it was the last one there. */
export async function tidyLane(migration: StoredMigration): Promise<void> {
  const lane = laneOf(migration);
  const known = await findLane(lane);
  if (known !== undefined && (await headOf(lane)) === undefined) await removeLane(lane, known);
}

/**
 * Admits the migrations of a lane, oldest first, as long as there is room. Returns the limit for which
 * the lane waits now; undefined: nobody waits in it.
 */
async function serveLane(lane: Lane, round: Round): Promise<Limit | undefined> {
  let refused = 0;
  for (let tries = 0; tries < TRIES_MAX && refused < REFUSED_AT_ONCE; tries += 1) {
    const known = await findLane(lane);
    if (known === undefined) return undefined;
    const head = await headOf(lane);
    if (head === undefined) {
      if (await removeLane(lane, known)) return undefined;
      continue;
    }
    const full = await serve(head, lane, round);
    if (full === "closed") refused += 1;
    if (typeof full !== "object") continue;
    const isKnown = isSameLimit(full, known.limit);
    // What is released of a limit after its row is written is seen by whoever releases it. What was
    // released before is seen by looking once more.
    if ((await watchLimit(lane, known, { limit: full, head })) && isKnown) return full;
  }
  return undefined;
}

/** Tries a migration. Returns the limit that is in its way; otherwise it waits no more. */
async function serve(id: MigrationId, lane: Lane, { waker, left }: Round): Promise<Turn> {
  const migration = await findMigration(id);
  if (migration === undefined) {
    await forgetWaiting(id, lane);
    return "ended";
  }
  const isHeld = hasTurn(migration, lane.pool);
  const turn = isHeld ? "held" : await takeTurn(migration);
  if (typeof turn === "object") return turn;
  if (turn === "held") await waker.admit(id, turnSignals[lane.pool]);
  if (turn === "closed") await waker.refuse(id, CLOSED);
  if (turn !== "held" || isHeld) await forgetWaiting(id, lane);
  else if (lane.pool === "transferring") left.push(migration);
  return turn;
}

/** It has what those in this lane wait for. */
function hasTurn({ slots }: StoredMigration, pool: Lane["pool"]): boolean {
  return slots === "held" || (pool === "preparing" && slots === "preparing");
}
