import { z } from "zod";
import { HostLifecycle, hostStateOf } from "../../core/host/host-state.ts";
import type { HostId } from "../../core/id.ts";
import {
  Host,
  HostFacts,
  InstanceId,
  type Registration,
  type UnfitEvent,
} from "../../core/protocol/host.ts";
import { keys } from "./keys.ts";
import { type Page, pageOf } from "./page.ts";
import { getItem, getItems, putItem, transact, updateIf, write } from "./table.ts";

const StoredHost = z.object({
  ...Host.shape,
  state: HostLifecycle,
  keyHash: z.string(),
  /** The agent process that has registered last; absent if it named none. */
  instance: InstanceId.optional(),
  /** Highest event sequence whose effects are done. */
  lastSeq: z.int().nonnegative(),
  /** Memory reserved for guests that run here or are moving here. */
  reservedBytes: z.int(),
  /** From the facts; kept here because transactions check the counters against it. */
  memoryBytes: z.int().nonnegative().optional(),
  /** Grows with each change of what operators and evacuations set: cordons, labels, limits, state. */
  revision: z.int().nonnegative().default(0),
});
export type StoredHost = z.infer<typeof StoredHost>;

/** False when the host exists. */
export async function createHost(host: NewHost, keyHash: string): Promise<boolean> {
  return putItem(
    {
      ...keys.host(host.id),
      ...host,
      state: "joining",
      cordons: [],
      revision: 0,
      keyHash,
      lastSeq: 0,
      reservedBytes: 0,
      gsi1pk: "HOSTS",
      gsi1sk: host.id,
    },
    "attribute_not_exists(pk)",
  );
}

export type NewHost = Pick<
  Host,
  "id" | "slotsOut" | "slotsIn" | "labels" | "queueUrl" | "createdAt"
>;

/** Without its facts, which are long; see {@link findHostWithFacts}. */
export async function findHost(id: HostId): Promise<StoredHost | undefined> {
  const item = await getItem(keys.host(id));
  return item === undefined ? undefined : parseHost(item);
}

export async function findHostWithFacts(id: HostId): Promise<Host | undefined> {
  const rows = await getItems([keys.host(id), keys.hostFacts(id)]);
  const meta = rows.find((row) => row.sk === "META");
  const facts = rows.find((row) => row.sk === "FACTS")?.facts;
  return meta === undefined ? undefined : toHost({ ...meta, facts });
}

const LinkFacts = z.object({ facts: HostFacts.pick({ linkBytesPerSecond: true }) });

/** The speed of the host's link as its agent has reported it, B/s. */
export async function findLinkRate(id: HostId): Promise<number | undefined> {
  const found = LinkFacts.safeParse(await getItem(keys.hostFacts(id)));
  return found.data?.facts.linkBytesPerSecond;
}

/** By name. Facts are left out; `GET /v1/hosts/{id}` has them. */
export async function listHosts(page: Page) {
  return pageOf({ partition: "HOSTS", keyOf: keys.host, read: toHost, page });
}

/**
 * Replaces the host's facts by those of its agent, and only this instance of its agent is heard from
 * now on. A host that was joining is active; any other state, cordons, labels and limits are what
 * people and evacuations have made them.
 */
export async function registerHost({ host: id, facts, instance }: Registration): Promise<void> {
  const now = new Date().toISOString();
  const named = instance === undefined ? " REMOVE #instance" : ", #instance = :instance";
  await transact([
    write.update({
      key: keys.host(id),
      update: `SET #memoryBytes = :memoryBytes, #lastEventAt = :now${named}`,
      condition: "attribute_exists(pk)",
      values: {
        ":memoryBytes": facts.memoryBytes,
        ":now": now,
        ...(instance === undefined ? {} : { ":instance": instance }),
      },
    }),
    write.put({ ...keys.hostFacts(id), facts }),
  ]);
  await updateIf({
    key: keys.host(id),
    update: "SET #state = :active, #stateSince = :now",
    condition: "#state = :joining",
    values: { ":active": "active", ":joining": "joining", ":now": now },
  });
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

/** False when another delivery of the same events came first. */
export async function acceptEvents(id: HostId, from: number, to: number): Promise<boolean> {
  return updateIf({
    key: keys.host(id),
    update: "SET #lastSeq = :to, #lastEventAt = :now",
    condition: "#lastSeq = :from",
    values: { ":from": from, ":to": to, ":now": new Date().toISOString() },
  });
}

export function parseHost(item: unknown): StoredHost {
  return StoredHost.parse(item);
}

const PublicHost = z.object(Host.shape);

/** The part of the record that the API shows. */
export function publicHost(host: StoredHost): Host {
  return PublicHost.parse({ ...host, state: hostStateOf(host) });
}

function toHost(item: unknown): Host {
  return publicHost(parseHost(item));
}
