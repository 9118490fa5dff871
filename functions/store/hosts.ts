import * as z from "zod";
import {
  HostLifecycle,
  hostStateOf,
  isConfirmedDown,
  silentSince,
} from "../../core/host/host-state.ts";
import type { HostId } from "../../core/id.ts";
import {
  Host,
  type HostUsage,
  InstanceId,
  type Registration,
  type UnfitEvent,
} from "../../core/protocol/host.ts";
import { keyIdOf, PublicKey } from "../../core/protocol/signature.ts";
import { apartMembers } from "./apart-groups.ts";
import { addEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import { type Page, pageOf } from "./page.ts";
import { getItem, getItems, type Item, transact, updateIf, write } from "./table.ts";

const StoredHost = z.object({
  ...Host.shape,
  state: HostLifecycle,
  /** Of the host's agent; absent before it has joined, and once it was revoked. */
  publicKey: PublicKey.optional(),
  keySince: z.iso.datetime().optional(),
  joinTokenHash: z.string().optional(),
  /** Highest number of a request whose effects are done, heartbeats left out: by `withHeard`. */
  requestSeq: z.int().nonnegative().default(0),
  /** The agent process that has registered last; absent if it named none. */
  instance: InstanceId.optional(),
  /** Highest event sequence whose effects are done: by `withHeard`. */
  lastSeq: z.int().nonnegative().default(0),
  /** Memory reserved for guests that run here or are moving here. */
  reservedBytes: z.int(),
  /** Migrations that hold a slot out of this host, and into it. */
  outgoing: z.set(z.string()).default(new Set<string>()),
  incoming: z.set(z.string()).default(new Set<string>()),
  /** Migrations that have a place in its preparing pools, and no slot yet. */
  preparingOut: z.set(z.string()).default(new Set<string>()),
  preparingIn: z.set(z.string()).default(new Set<string>()),
  /** Members of groups that stand apart, by group: VMs that are here or on their way. */
  apart: z.record(z.string(), z.array(z.string())).default({}),
  /** What those that hold slots may send together, B/s. */
  rateOut: z.number().default(0),
  rateIn: z.number().default(0),
  /** From the facts; kept here because transactions check the counters against them. */
  memoryBytes: z.int().nonnegative().optional(),
  linkBytesPerSecond: z.int().positive().optional(),
  /** Grows with each change of what operators and evacuations set: cordons, labels, limits, state. */
  revision: z.int().nonnegative().default(0),
  /** How often its agent promised a heartbeat, ms. */
  heartbeatMs: z.int().positive().optional(),
});
export type StoredHost = z.infer<typeof StoredHost>;

/** False when the host exists. A host that was retired is replaced. */
export async function createHost(host: NewHost, token: StoredToken): Promise<boolean> {
  const made = {
    ...keys.host(host.id),
    ...host,
    state: "joining",
    cordons: [],
    revision: 0,
    ...token,
    reservedBytes: 0,
    gsi1pk: "HOSTS",
    gsi1sk: host.id,
  };
  const failed = await transact([
    write.put(made, {
      condition: "attribute_not_exists(pk) OR #state = :retired",
      values: { ":retired": "retired" },
    }),
    write.delete(keys.hostFacts(host.id)),
    write.delete(keys.hostHeard(host.id)),
  ]);
  return failed.length === 0;
}

/** A join token as the table has it. */
export type StoredToken = Required<Pick<StoredHost, "joinTokenHash" | "joinTokenExpiresAt">>;

export type NewHost = Pick<
  Host,
  "id" | "slotsOut" | "slotsIn" | "prepareAhead" | "labels" | "queueUrl" | "createdAt"
>;

/** Without its facts, which are long, and without what its heartbeats say. */
export async function findHost(id: HostId): Promise<StoredHost | undefined> {
  const item = await getItem(keys.host(id));
  return item === undefined ? undefined : parseHost(item);
}

/** The host, with whether it is silent, and the numbers of its agent's requests. */
export async function findHostNow(id: HostId): Promise<StoredHost | undefined> {
  const rows = await getItems([keys.host(id), keys.hostHeard(id)]);
  const meta = rows.find(({ sk }) => sk === "META");
  const heard = rows.find(({ sk }) => sk === "HEARD");
  return meta === undefined ? undefined : withHeard(parseHost(meta), heard);
}

export async function findHostWithFacts(id: HostId): Promise<Host | undefined> {
  const rows = await getItems([keys.host(id), keys.hostHeard(id), keys.hostFacts(id)]);
  const row = (name: string) => rows.find(({ sk }) => sk === name);
  const meta = row("META");
  if (meta === undefined) return undefined;
  const facts = row("FACTS")?.facts;
  return publicHost(withHeard(parseHost({ ...meta, facts }), row("HEARD")));
}

/** By name. Facts are left out; `GET /v1/hosts/{id}` has them. */
export async function listHosts(page: Page) {
  const { items, ...rest } = await pageOf({
    partitions: ["HOSTS"],
    keyOf: keys.host,
    read: parseHost,
    page,
  });
  const rows = await getItems(items.map(({ id }) => keys.hostHeard(id)));
  const heard = new Map(rows.map((row) => [row.pk, row]));
  const hosts = items.map((host) => withHeard(host, heard.get(keys.host(host.id).pk)));
  return { items: hosts.map(publicHost), ...rest };
}

/**
 * What the requests of its agent have noted. It is not in the host's record: each batch of events would
 * conflict with whoever takes a slot or memory of the host. `requestSeq`: of the last heartbeat.
 */
const Heard = z.object({
  at: z.iso.datetime().optional(),
  clockOffsetMs: z.int().optional(),
  lastEventAt: z.iso.datetime().optional(),
  /** Highest number of a request that was no heartbeat. */
  changeSeq: z.int().nonnegative().default(0),
  lastSeq: z.int().nonnegative().default(0),
});

/** Adds when the host was heard last, and since when it is silent; and the numbers of its requests. */
export function withHeard(record: StoredHost, item: Item | undefined): StoredHost {
  const heard = Heard.parse(item ?? {});
  // Records of before have their numbers themselves.
  const lastEventAt = latest([record.lastEventAt, heard.lastEventAt]);
  const host = {
    ...record,
    ...(lastEventAt === undefined ? {} : { lastEventAt }),
    lastSeq: Math.max(record.lastSeq, heard.lastSeq),
    requestSeq: Math.max(record.requestSeq, heard.changeSeq),
  };
  const heardAt = latest([lastEventAt, heard.at]);
  if (heardAt === undefined) return host;
  const { heartbeatMs } = host;
  const since = silentSince({ heartbeatMs, heardAtMs: Date.parse(heardAt) }, Date.now());
  return {
    ...host,
    heardAt,
    ...(heard.clockOffsetMs === undefined ? {} : { clockOffsetMs: heard.clockOffsetMs }),
    ...(since === undefined ? {} : { silentSince: new Date(since).toISOString() }),
  };
}

function latest(times: readonly (string | undefined)[]): string | undefined {
  return times
    .filter((at) => at !== undefined)
    .sort()
    .at(-1);
}

export async function readHeard(host: StoredHost): Promise<StoredHost> {
  return withHeard(host, await getItem(keys.hostHeard(host.id)));
}

/** How far the hosts' clocks are ahead of this one's, ms, in the order of `ids`; undefined: not known. */
export async function readClockOffsets(ids: readonly HostId[]): Promise<(number | undefined)[]> {
  const rows = await getItems(ids.map(keys.hostHeard));
  return ids.map((id) => {
    const row = rows.find(({ pk }) => pk === keys.hostHeard(id).pk);
    return row === undefined ? undefined : Heard.parse(row).clockOffsetMs;
  });
}

/** Condition of a write that a signed request leads to: each request's number is used once. */
const isNewHeartbeat = "(attribute_not_exists(#requestSeq) OR #requestSeq < :requestSeq)";
const isNewChange = "(attribute_not_exists(#changeSeq) OR #changeSeq < :changeSeq)";

/** Notes that a host's agent has been heard. False when the request was received before. */
export async function recordHeartbeat(
  id: HostId,
  heartbeat: { requestSeq: number; clockOffsetMs: number },
): Promise<boolean> {
  return updateIf({
    key: keys.hostHeard(id),
    update: "SET #at = :at, #requestSeq = :requestSeq, #clockOffsetMs = :clockOffsetMs",
    condition: isNewHeartbeat,
    values: {
      ":at": new Date().toISOString(),
      ":requestSeq": heartbeat.requestSeq,
      ":clockOffsetMs": heartbeat.clockOffsetMs,
    },
  });
}

/** Notes the number of a request. @returns false when it was received before, or a later one was */
export async function recordRequest(id: HostId, requestSeq: number): Promise<boolean> {
  return updateIf({
    key: keys.hostHeard(id),
    update: "SET #changeSeq = :changeSeq",
    condition: isNewChange,
    values: { ":changeSeq": requestSeq },
  });
}

/**
 * Replaces the host's facts by those of its agent, and only this instance of its agent is heard from
 * now on. A host that was joining is active; any other state, cordons, labels and limits are what
 * people and evacuations have made them.
 *
 * @returns false when the request was received before, or a later one was
 */
export async function registerHost(
  registration: Registration,
  requestSeq: number,
): Promise<boolean> {
  const { host: id, facts, instance, heartbeatMs } = registration;
  const now = new Date().toISOString();
  const { linkBytesPerSecond } = facts;
  const own = { instance, heartbeatMs, linkBytesPerSecond };
  const known = Object.entries(own).filter(([, value]) => value !== undefined);
  const removed = ["instance", "heartbeatMs", "linkBytesPerSecond", "down"].filter(
    (name) => !known.some(([present]) => present === name),
  );
  const failed = await transact([
    write.update({
      key: keys.host(id),
      update:
        "SET #memoryBytes = :memoryBytes" +
        known.map(([name]) => `, #${name} = :${name}`).join("") +
        ` REMOVE ${removed.map((name) => `#${name}`).join(", ")}`,
      condition: "attribute_exists(pk)",
      values: {
        ":memoryBytes": facts.memoryBytes,
        ...Object.fromEntries(known.map(([name, value]) => [`:${name}`, value])),
      },
    }),
    write.update({
      key: keys.hostHeard(id),
      update: "SET #lastEventAt = :now, #changeSeq = :changeSeq",
      condition: isNewChange,
      values: { ":now": now, ":changeSeq": requestSeq },
    }),
    write.put({ ...keys.hostFacts(id), facts }),
  ]);
  if (failed.length > 0) return false;
  const hasJoined = await updateIf({
    key: keys.host(id),
    update: "SET #state = :active, #stateSince = :now",
    condition: "#state = :joining",
    values: { ":active": "active", ":joining": "joining", ":now": now },
  });
  if (hasJoined) await addEvents([{ type: "host.active", data: { host: id } }]);
  return true;
}

/** Notes an event that the table refuses for good; only the newest one is kept. */
export async function noteUnfitEvent(id: HostId, unfit: UnfitEvent): Promise<void> {
  await updateIf({
    key: keys.host(id),
    update: "SET #unfitEvent = :unfit",
    condition: "attribute_exists(pk)",
    values: { ":unfit": unfit },
  });
}

/** False when another delivery of the same events, or a later request, came first. */
export async function acceptEvents(
  id: HostId,
  accepted: { from: number; to: number; requestSeq: number },
): Promise<boolean> {
  const { from, to, requestSeq } = accepted;
  return updateIf({
    key: keys.hostHeard(id),
    update: "SET #lastSeq = :to, #lastEventAt = :now, #changeSeq = :changeSeq",
    condition: `(attribute_not_exists(#lastSeq) OR #lastSeq = :from) AND ${isNewChange}`,
    values: {
      ":from": from,
      ":to": to,
      ":changeSeq": requestSeq,
      ":now": new Date().toISOString(),
    },
  });
}

export function parseHost(item: unknown): StoredHost {
  return StoredHost.parse({ ...(item as Item), apart: apartMembers(item as Item) });
}

const PublicHost = z.object(Host.shape);

/** The part of the record that the API shows. */
export function publicHost(host: StoredHost): Host {
  const down = isConfirmedDown(host) ? host.down : undefined;
  return PublicHost.parse({
    ...host,
    down,
    key: keyOf(host),
    state: hostStateOf(host),
    usage: usageOf(host),
  });
}

function keyOf({ publicKey, keySince }: StoredHost): Host["key"] {
  if (publicKey === undefined || keySince === undefined) return undefined;
  return { id: keyIdOf(publicKey), since: keySince };
}

function usageOf(host: StoredHost): HostUsage {
  const { outgoing, incoming, preparingOut, preparingIn, reservedBytes, memoryBytes } = host;
  return {
    outgoing: outgoing.size,
    incoming: incoming.size,
    preparingOut: preparingOut.size,
    preparingIn: preparingIn.size,
    reservedBytes: Math.max(0, reservedBytes),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}
