import * as z from "zod";
import type { MoveState } from "../../core/evacuation/counters.ts";
import { isOpen } from "../../core/evacuation/counting.ts";
import { workedMs, workOfEnd } from "../../core/evacuation/eta.ts";
import { EvacuationMove, type MoveTry, TRIES_MAX } from "../../core/evacuation/evacuation.ts";
import { noticeDueAt, noticeReason } from "../../core/evacuation/noticing.ts";
import type { UntoldEvent } from "../../core/fleet-event/fleet-event.ts";
import { type EvacuationId, HostId, VmId } from "../../core/id.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import type { Listed, Page } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import {
  expiresIn,
  getItem,
  type Item,
  type Key,
  putItem,
  type Queried,
  queryItems,
  transact,
  write,
} from "./table.ts";

const StoredMove = z.object({
  ...EvacuationMove.shape,
  /** Its place in the plan: the smallest is the most urgent. */
  order: z.int().nonnegative(),
  /** Tries before this one do not count against the budgets. */
  countedFrom: z.int().nonnegative(),
  /** How often its target had no room for it when it was to start. */
  roomless: z.int().nonnegative().optional(),
  /** Whose limit has kept it from starting. */
  tenant: TenantName.optional(),
  /** While it moves, nothing else of its evacuation does. */
  isAlone: z.boolean().optional(),
  /** Another target has to be found before it can start. */
  needsTarget: z.boolean().optional(),
  /** Grows with each write. */
  revision: z.int().positive(),
});
export type StoredMove = z.infer<typeof StoredMove>;

type TransactItem = ReturnType<typeof write.put>;

const PublicMove = z.object(EvacuationMove.shape);

export function publicMove(stored: StoredMove): EvacuationMove {
  const { state, notice } = stored;
  const isNoticed = state === "noticed" && notice !== undefined;
  return PublicMove.parse(isNoticed ? { ...stored, reason: noticeReason(notice) } : stored);
}

export async function findMove(id: EvacuationId, vm: VmId): Promise<StoredMove | undefined> {
  const item = await getItem(keys.evacuationMove(id, vm));
  return item === undefined ? undefined : parseMove(item);
}

export function parseMove(item: Item): StoredMove {
  return StoredMove.parse(item);
}

/** By the VM's name. */
export async function listMoves(id: EvacuationId, page: Page): Promise<Listed<StoredMove>> {
  const { items, more, last } = await queryItems({
    partition: ["pk", `EVAC#${id}`],
    prefix: ["sk", "MOVE#"],
    limit: page.limit,
    ...(page.after === undefined ? {} : { after: keys.evacuationMove(id, VmId.parse(page.after)) }),
  });
  return {
    items: items.map(parseMove),
    ...(more && last !== undefined ? { next: last.slice("MOVE#".length) } : {}),
  };
}

const MOVES_PER_QUERY = 500;

/** All moves. For a new version of the plan, and for a rollback: both are rare. */
export async function listAllMoves(id: EvacuationId): Promise<StoredMove[]> {
  const found: StoredMove[] = [];
  let after: string | undefined;
  do {
    const page = await listMoves(id, { limit: MOVES_PER_QUERY, after });
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** A move in the queues of its hosts. */
export type QueuedMove = {
  readonly vm: VmId;
  readonly source: HostId;
  readonly target: HostId;
  /** Whose limit has kept it from starting. */
  readonly tenant: string | undefined;
};

/**
 * A page of the moves that may start, the most urgent first.
 *
 * @param after `next` of the page before
 */
export async function listQueuedMoves(
  id: EvacuationId,
  [side, host]: readonly ["source" | "target", HostId],
  { limit, after }: Page,
): Promise<{ moves: QueuedMove[]; next: string | undefined }> {
  const pk = `EVAC#${id}`;
  const { items, more, last } = await queryItems({
    partition: ["pk", pk],
    prefix: ["sk", `${side === "source" ? "OUT" : "IN"}#${host}#`],
    limit,
    ...(after === undefined ? {} : { after: { pk, sk: after } }),
  });
  const moves = items.map(({ sk, source, target, tenant }) => ({
    vm: vmOf(sk),
    source: HostId.parse(source),
    target: HostId.parse(target),
    tenant: tenant === undefined ? undefined : String(tenant),
  }));
  return { moves, next: more ? last : undefined };
}

export type Due = { readonly vm: VmId; readonly atMs: number };

/**
 * A page of the moves that wait for a time, the earliest first: that of their next try, or the one
 * until which they wait for their owner.
 *
 * @param after `next` of the page before
 */
export async function listTimed(
  id: EvacuationId,
  { limit, after }: Page,
): Promise<{ timed: Due[]; next: string | undefined }> {
  const pk = `EVAC#${id}`;
  const { items, more, last }: Queried = await queryItems({
    partition: ["pk", pk],
    prefix: ["sk", "RETRY#"],
    limit,
    ...(after === undefined ? {} : { after: { pk, sk: after } }),
  });
  const timed = items.map(({ sk }) => ({
    vm: vmOf(sk),
    atMs: Date.parse(String(sk).split("#")[1] ?? ""),
  }));
  return { timed, next: more ? last : undefined };
}

/** The VM in a key whose last part it is. */
function vmOf(sk: unknown): VmId {
  const text = String(sk);
  return VmId.parse(text.slice(text.lastIndexOf("#") + 1));
}

/** Writes a move that nobody has written yet, with its place in the queues. Idempotent. */
export async function putNewMove(id: EvacuationId, move: StoredMove): Promise<boolean> {
  const rows = queueRows(id, move);
  if (rows.length === 0) {
    return putItem(itemOf(id, move), "attribute_not_exists(pk)");
  }
  const failed = await transact(newMoveWrites(id, move));
  return failed.length === 0;
}

/** Adds a move to an evacuation that runs, and to its counters. False when there is one of this VM. */
export async function addMove(id: EvacuationId, move: StoredMove): Promise<boolean> {
  const isWaiting = isOpen(move.state);
  const failed = await transact([
    ...newMoveWrites(id, move),
    write.update({
      key: keys.evacuation(id),
      update: `SET #revision = #revision + :one, #counters.#total = #counters.#total + :one, #counters.#${move.state} = #counters.#${move.state} + :one, #left.#host = #left.#host + :left, #work.#plannedMs = #work.#plannedMs + :planned`,
      names: { "#host": move.source },
      values: {
        ":one": 1,
        ":left": isWaiting ? 1 : 0,
        ":planned": isWaiting ? (move.predictedMs ?? 0) : 0,
      },
    }),
  ]);
  return failed.length === 0;
}

function newMoveWrites(id: EvacuationId, move: StoredMove): TransactItem[] {
  return [
    write.put(itemOf(id, move), { condition: "attribute_not_exists(pk)" }),
    ...queueRows(id, move).map((row) => write.put(row)),
  ];
}

/** What must be true of the evacuation's record in the same write. */
export type Also = {
  readonly text: string;
  readonly names: Record<string, string>;
  readonly values: Record<string, unknown>;
};

/** A move before and after a change. */
export type Transition = { readonly before: StoredMove; readonly after: StoredMove };

/**
 * Writes of one change of a move: its record, its places in the queues, and the evacuation's counters
 * and sums, which change with it. The first two fail if the move, or what `condition` says of the
 * evacuation, is not as it was read.
 */
export function transitionWrites(
  id: EvacuationId,
  { before, after }: Transition,
  condition?: Also,
): TransactItem[] {
  const rowsBefore = queueRows(id, before);
  const rowsAfter = queueRows(id, after);
  const gone = rowsBefore.filter(({ sk }) => rowsAfter.every((row) => row.sk !== sk));
  const added = rowsAfter.filter((row) => rowsBefore.every((known) => !isSameRow(known, row)));
  return [
    write.put(itemOf(id, { ...after, revision: before.revision + 1 }), {
      condition: "#revision = :before",
      values: { ":before": before.revision },
    }),
    write.update({ key: keys.evacuation(id), ...sums({ before, after }, condition) }),
    ...gone.map(({ pk, sk }) => write.delete({ pk, sk })),
    ...added.map((row) => write.put(row)),
  ];
}

/** The update of the evacuation's record that goes with a change of one of its moves. */
function sums({ before, after }: Transition, condition?: Also) {
  const set = ["#revision = #revision + :one", "#updatedAt = :now"];
  // With a rollback the counters are those of the way back: what did not move is over.
  const countsHere = `attribute_exists(pk)${after.leg === "forward" ? " AND attribute_not_exists(#forward)" : ""}`;
  const names: Record<string, string> = { ...condition?.names };
  const values: Record<string, unknown> = {
    ":one": 1,
    ":now": new Date().toISOString(),
    ...condition?.values,
  };
  const add = (path: string, amount: number, value: string) => {
    set.push(`${path} = ${path} + ${value}`);
    values[value] = amount;
  };
  const gone: string[] = [];
  if (after.isAlone === true) {
    set.push("#alone = :alone");
    values[":alone"] = after.vm;
  } else if (before.isAlone === true) gone.push("#alone");
  if (before.state !== after.state) {
    add(`#counters.#${before.state}`, -1, ":minusOne");
    add(`#counters.#${after.state}`, 1, ":one");
  }
  if (isOpen(before.state) !== isOpen(after.state)) {
    const isEnding = isOpen(before.state);
    if (after.leg === "forward") {
      names["#host"] = before.source;
      add("#left.#host", isEnding ? -1 : 1, ":left");
    }
    const { predictedMs = 0 } = before;
    const isMoved = after.state === "moved";
    const realMs = isMoved ? workedMs(after.tries.at(-1) ?? {}) : undefined;
    const added = workOfEnd({ predictedMs, realMs });
    add("#work.#donePlannedMs", (isEnding ? 1 : -1) * added.donePlannedMs, ":planned");
    if (added.moves > 0) {
      add("#work.#realMs", added.realMs, ":real");
      add("#work.#predictedMs", added.predictedMs, ":predicted");
      add("#work.#moves", added.moves, ":one");
    }
  }
  return {
    update: `SET ${set.join(", ")}${gone.length === 0 ? "" : ` REMOVE ${gone.join(", ")}`}`,
    condition: [countsHere, ...(condition === undefined ? [] : [condition.text])].join(" AND "),
    names,
    values,
  };
}

/**
 * True when the change was written, with what is told of it; false when the move has changed since it
 * was read.
 */
export async function changeMove(
  id: EvacuationId,
  transition: Transition,
  untold: readonly UntoldEvent[] = [],
): Promise<boolean> {
  return (await transactWithEvents(transitionWrites(id, transition), untold)).length === 0;
}

/** A VM that has moved is to be moved back: the counters are those of the way back by now. */
export async function beginBack(id: EvacuationId, { before, after }: Transition): Promise<boolean> {
  const failed = await transact([
    write.put(itemOf(id, { ...after, revision: before.revision + 1 }), {
      condition: "#revision = :before",
      values: { ":before": before.revision },
    }),
    ...queueRows(id, after).map((row) => write.put(row)),
    write.update({
      key: keys.evacuation(id),
      update: `SET #revision = #revision + :one, #counters.#total = #counters.#total + :one, #counters.#${after.state} = #counters.#${after.state} + :one`,
      condition: "#status = :rollingBack",
      values: { ":one": 1, ":rollingBack": "rolling-back" },
    }),
  ]);
  return failed.length === 0;
}

/** A change of a move, with the fields that no longer apply left out. */
export function inState(
  move: StoredMove,
  state: MoveState,
  fields: Partial<StoredMove> = {},
): StoredMove {
  const { reason: _, cure: __, notBefore: ___, needsTarget: ____, isAlone, ...others } = move;
  const kept = state === "moving" && isAlone === true ? { ...others, isAlone } : others;
  return { ...kept, ...fields, state, updatedAt: new Date().toISOString() };
}

/** One more try. The oldest are dropped; so the place from which they count moves with them. */
export function withTry(
  { tries, countedFrom }: Pick<StoredMove, "tries" | "countedFrom">,
  made: MoveTry,
): Pick<StoredMove, "tries" | "countedFrom"> {
  const all = [...tries, made];
  const dropped = Math.max(0, all.length - TRIES_MAX);
  return { tries: all.slice(dropped), countedFrom: Math.max(0, countedFrom - dropped) };
}

function itemOf(id: EvacuationId, move: StoredMove) {
  return { ...keys.evacuationMove(id, move.vm), ...move, ttl: expiresIn(keptSeconds.evacuation) };
}

function isSameRow(one: Item, other: Item): boolean {
  return one.sk === other.sk && one.target === other.target && one.tenant === other.tenant;
}

/** A waiting move is in the queues of both its hosts, one that waits for a time in the list of those. */
function queueRows(id: EvacuationId, move: StoredMove): (Key & Item)[] {
  const { state, source, target, tenant, order, vm } = move;
  const dueAt = timeOf(move);
  if (dueAt !== undefined) return [keys.evacuationRetry(id, dueAt, vm)];
  if (state !== "waiting" || target === undefined) return [];
  const row = { source, target, ...(tenant === undefined ? {} : { tenant }) };
  return [
    { ...keys.evacuationQueue(id, { side: "source", host: source, order, vm }), ...row },
    { ...keys.evacuationQueue(id, { side: "target", host: target, order, vm }), ...row },
  ];
}

function timeOf({ state, notBefore, notice }: StoredMove): string | undefined {
  if (state === "retrying") return notBefore;
  return state === "noticed" && notice !== undefined ? noticeDueAt(notice) : undefined;
}
