import * as z from "zod";
import { remainingMs, remainingWithNoticeMs } from "../../core/evacuation/eta.ts";
import {
  EndedBy,
  Evacuation,
  EvacuationStatus,
  HostTurn,
  Work,
} from "../../core/evacuation/evacuation.ts";
import {
  isFinalEvacuation,
  isOffering,
  isOverdue,
  type Life,
  shownStatus,
} from "../../core/evacuation/life.ts";
import { Pause } from "../../core/evacuation/pause.ts";
import { evacuationChanges } from "../../core/fleet-event/untold-events.ts";
import { EvacuationId, type HostId, VmId } from "../../core/id.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import { type Page, pageOf } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, getItem, type Update, updateItem, write } from "./table.ts";

const StoredStatus = EvacuationStatus.exclude(["paused"]);

/** The whole record. Every write of it makes `revision` grow. */
const StoredEvacuation = z.object({
  ...Evacuation.omit({ eta: true, forward: true }).shape,
  status: StoredStatus,
  pauses: z.record(z.string(), Pause),
  /** In the order in which they begin. */
  hosts: z.array(HostTurn.omit({ left: true })),
  /** Moves that have not ended, by host. */
  left: z.record(z.string(), z.int()),
  forward: Evacuation.shape.forward,
  eta: Evacuation.shape.eta.omit({ remainingMs: true }),
  work: Work,
  /** Hosts that a person has uncordoned meanwhile: nothing more is moved off them. */
  uncordoned: z.record(z.string(), EndedBy).default({}),
  /** The VM in which the control plane runs, while it moves: nothing else begins. */
  alone: VmId.optional(),
  /** Grows with each change of its open times: a start holds only if they are as it has read them. */
  timesRevision: z.int().nonnegative().default(0),
  /** Failed VMs before the error budget was granted last. */
  failedBefore: z.int().nonnegative(),
  /** The version whose moves are in the table. */
  appliedVersion: z.int().nonnegative(),
  /** Its executions so far, and how many of them were lost in a row. */
  generation: z.int().nonnegative(),
  lost: z.int().nonnegative(),
  revision: z.int().positive(),
  /** SHA-256 of the request, for one that is repeated with its Idempotency-Key. */
  bodyHash: z.string(),
});
export type StoredEvacuation = z.infer<typeof StoredEvacuation>;

/** False when the id is taken. */
export async function createEvacuation(made: StoredEvacuation): Promise<boolean> {
  const item = { ...keys.evacuation(made.id), ...made, gsi1pk: "EVACUATIONS", gsi1sk: made.id };
  const failed = await transactWithEvents(
    [write.put(item, { condition: "attribute_not_exists(pk)" })],
    evacuationChanges(made.id, undefined, made),
  );
  return failed.length === 0;
}

export async function findEvacuation(id: EvacuationId): Promise<StoredEvacuation | undefined> {
  const item = await getItem(keys.evacuation(id));
  return item === undefined ? undefined : StoredEvacuation.parse(item);
}

/** Newest first. */
export async function listEvacuations(page: Page) {
  return pageOf({
    partitions: ["EVACUATIONS"],
    keyOf: keys.evacuation,
    read: (item) => publicEvacuation(StoredEvacuation.parse(item), Date.now()),
    page,
    newestFirst: true,
  });
}

/** Ids of evacuations that have a workflow, or wait for an approval. */
export function listOpenEvacuations(page: Page) {
  return listOpen(page, ({ id }) => EvacuationId.parse(id));
}

const OPEN_PER_PAGE = 100;

/** The status of each evacuation that has not ended. */
export async function listOpenStatuses(): Promise<EvacuationStatus[]> {
  const found: EvacuationStatus[] = [];
  const nowMs = Date.now();
  let after: string | undefined;
  do {
    const page = await listOpen(
      { limit: OPEN_PER_PAGE, after },
      (item) => publicEvacuation(StoredEvacuation.parse(item), nowMs).status,
    );
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found.filter((status) => !isFinalEvacuation(status));
}

function listOpen<T>(page: Page, read: (item: { id?: unknown }) => T) {
  const open = StoredStatus.options.filter((status) => !isFinalEvacuation(status));
  const names = open.map((_, place) => `:s${place}`);
  return pageOf({
    partitions: ["EVACUATIONS"],
    keyOf: keys.evacuation,
    read: (item) => read(Object(item)),
    page,
    newestFirst: true,
    filter: `#status IN (${names.join(", ")})`,
    values: Object.fromEntries(open.map((status, place) => [`:s${place}`, status])),
  });
}

type Fields = Partial<Omit<StoredEvacuation, "id" | "revision">>;

/**
 * Changes fields of an evacuation that has not changed since it was read; `undefined` removes one.
 * Returns what it wrote; undefined when another writer was first. What people are told of is written
 * in one transaction with it.
 */
export async function changeEvacuation(
  before: StoredEvacuation,
  fields: Fields,
): Promise<StoredEvacuation | undefined> {
  const update = fieldsUpdate(before, fields);
  const after = StoredEvacuation.parse({
    ...before,
    ...fields,
    updatedAt: update.values[":now"],
    revision: update.values[":next"],
  });
  const untold = evacuationChanges(before.id, before, after);
  if (untold.length === 0) return (await updateItem(update)) === undefined ? undefined : after;
  const failed = await transactWithEvents([write.update(update)], untold);
  return failed.length === 0 ? after : undefined;
}

function fieldsUpdate({ id, revision }: Pick<StoredEvacuation, "id" | "revision">, fields: Fields) {
  const set = ["#updatedAt = :now", "#revision = :next"];
  const removed: string[] = [];
  const values: Record<string, unknown> = {
    ":now": new Date().toISOString(),
    ":next": revision + 1,
    ":revision": revision,
  };
  for (const [name, value] of Object.entries(fields)) {
    if (name === "updatedAt") continue;
    if (value === undefined) removed.push(`#${name}`);
    else {
      set.push(`#${name} = :v_${name}`);
      values[`:v_${name}`] = value;
    }
  }
  if (fields.status !== undefined && isFinalEvacuation(fields.status)) {
    set.push("#ttl = :ttl");
    values[":ttl"] = expiresIn(keptSeconds.evacuation);
  } else if (fields.status !== undefined) removed.push("#ttl");
  const remove = removed.length === 0 ? "" : ` REMOVE ${removed.join(", ")}`;
  return {
    key: keys.evacuation(id),
    update: `SET ${set.join(", ")}${remove}`,
    condition: "#revision = :revision",
    values,
  } satisfies Update;
}

/**
 * What must hold in each write by which something of it begins: it runs and has no pause, nobody has
 * uncordoned that source, and its open times are those that were read. Whoever writes a pause first
 * wins.
 */
export function goesOn({ timesRevision }: Pick<StoredEvacuation, "timesRevision">, source: HostId) {
  const parts = [
    "#status IN (:isRunning, :isRollingBack)",
    "size(#pauses) = :isZero",
    "attribute_not_exists(#uncordoned.#from)",
    "(attribute_not_exists(#timesRevision) OR #timesRevision = :times)",
  ];
  const values = {
    ":isRunning": "running",
    ":isRollingBack": "rolling-back",
    ":isZero": 0,
    ":times": timesRevision,
  };
  return { condition: parts.join(" AND "), values, names: { "#from": source } };
}

/** The fields of a life that were decided anew. */
export function lifeFields(life: Life): Fields {
  const { status, version, approvedVersion, consentedVersion, pauses, counters } = life;
  return {
    status,
    version,
    approvedVersion,
    consentedVersion,
    pauses: { ...pauses },
    counters,
    approvals: [...life.approvals],
    offeredUntil: life.offeredUntil,
    failedBefore: life.failedBefore,
    endedBy: life.endedBy,
    forward: life.forward,
  };
}

/** The part of the record that the API shows. */
export function publicEvacuation(stored: StoredEvacuation, nowMs: number): Evacuation {
  const { eta, hosts, left, offeredUntil: _, ...others } = stored;
  const shown = shownStatus(stored);
  const status = isOverdue(stored, new Date(nowMs).toISOString()) ? "expired" : shown;
  const offeredUntil = isOffering(stored, new Date(nowMs).toISOString())
    ? { offeredUntil: stored.offeredUntil }
    : {};
  const isGoing = ["planned", "approved", "running", "paused", "rolling-back"].includes(status);
  return PublicEvacuation.parse({
    ...others,
    ...offeredUntil,
    status,
    pauses: Object.values(stored.pauses),
    hosts: hosts.map((host) => ({ ...host, left: left[host.host] ?? 0 })),
    eta: isGoing ? { ...eta, remainingMs: remainingOf(stored, nowMs) } : eta,
  });
}

function remainingOf({ eta, work, counters, noticeUntil }: StoredEvacuation, nowMs: number) {
  const leftMs = remainingMs(eta.plannedMs, work);
  const waitMs = noticeUntil === undefined ? 0 : Date.parse(noticeUntil) - nowMs;
  return Math.round(remainingWithNoticeMs(leftMs, waitMs, counters));
}

const PublicEvacuation = z.object(Evacuation.shape);
