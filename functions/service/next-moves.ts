import { isOpen } from "../../core/evacuation/counting.ts";
import type { HostId, VmId } from "../../core/id.ts";
import { HostId as HostIdSchema } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import {
  changeMove,
  findMove,
  inState,
  listAllMoves,
  listQueuedMoves,
  listRetries,
} from "../store/evacuation-moves.ts";
import { listOutlines } from "../store/evacuation-plans.ts";
import { EVERYTHING, ROOM } from "../store/evacuation-wakes.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { findMigration } from "../store/migration-record.ts";
import { edit } from "./change-evacuation.ts";
import { recordMoveEnd } from "./end-move.ts";
import { holdBack } from "./hold-back-move.ts";
import { startAgain } from "./start-migration.ts";
import { type Started, startMove } from "./start-move.ts";
import { byInvocation } from "./wake-by-invocation.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

/** Moves of one host that are looked at while a slot of it is free: a row each, and few are tried. */
const PAGE = 100;
const PAGES_MAX = 50;
/** Retries that are looked at in one step. */
const RETRIES_MAX = 100;

export type Begun = {
  /** A move waits for something that wakes nobody. */
  readonly waits: boolean;
  /** A move waits for something that passes by itself: a slot, or its VM. */
  readonly isHeld: boolean;
  /** Moves back that their old hosts do not take. */
  readonly roomless: readonly VmId[];
  /** A move has lost its target. */
  readonly needsTarget: boolean;
  /** A move is over, or waits for something else than before: the record has other counters. */
  readonly hasChanged: boolean;
  readonly hasStarted: boolean;
};

/**
 * Starts what may start: where a source has a slot, its most urgent moves; where a target has one, the
 * most urgent moves to it. A move that waits does not hold up those behind it.
 *
 * @param woken hosts that have changed
 */
export async function startNext(
  evacuation: StoredEvacuation,
  woken: ReadonlySet<string>,
): Promise<Begun> {
  const step: Step = { evacuation, full: new Set(), seen: new Set() };
  const roomless: VmId[] = [];
  const begun = {
    waits: false,
    isHeld: false,
    needsTarget: false,
    hasChanged: false,
    hasStarted: false,
    roomless,
  };
  for (const place of placesOf(evacuation, woken)) {
    const found = await startFrom(step, place);
    begun.waits ||= found.waits;
    begun.isHeld ||= found.isHeld;
    begun.needsTarget ||= found.needsTarget;
    begun.hasChanged ||= found.hasChanged;
    begun.hasStarted ||= found.hasStarted;
    roomless.push(...found.roomless);
    if (found.isClosed) break;
  }
  return begun;
}

type Step = {
  readonly evacuation: StoredEvacuation;
  /** What is used up: `source host` or `target host` without a slot, `tenant name` at its limit. */
  readonly full: Set<string>;
  readonly seen: Set<VmId>;
  /** Hosts to which any version of the plan moves something; read when they are needed. */
  targets?: readonly HostId[];
};
type Place = ["source" | "target", HostId];

/** What passes by itself. */
const heldUp: readonly Started[] = ["waits", "target-full", "source-full", "tenant-full"];

/** Starts moves of one queue until its host has no slot. What another host is too full for is skipped. */
async function startFrom(step: Step, place: Place): Promise<Begun & { isClosed: boolean }> {
  const { evacuation, full, seen } = step;
  const found = {
    waits: false,
    isHeld: false,
    needsTarget: false,
    hasChanged: false,
    hasStarted: false,
    isClosed: false,
    roomless: [] as VmId[],
  };
  if (full.has(place.join(" "))) return found;
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { moves, next } = await listQueuedMoves(evacuation.id, place, { limit: PAGE, after });
    for (const { vm, source, target, tenant } of moves) {
      if (full.has(place.join(" "))) return found;
      const needs = [`source ${source}`, `target ${target}`, `tenant ${tenant}`];
      if (seen.has(vm) || needs.some((one) => full.has(one))) continue;
      seen.add(vm);
      const started = await startMove(evacuation, { vm, source, target });
      if (started === "closed") return { ...found, isHeld: true, isClosed: true };
      if (started === "started") found.hasStarted = true;
      if (started === "waits") found.waits = true;
      if (started === "roomless") found.roomless.push(vm);
      found.isHeld ||= heldUp.includes(started);
      if (started === "source-full") full.add(`source ${source}`);
      if (started === "target-full") full.add(`target ${target}`);
      if (started === "tenant-full") {
        full.add(`tenant ${(await findMove(evacuation.id, vm))?.tenant}`);
      }
      if (started === "changed") {
        found.hasChanged = true;
        const now = await findMove(evacuation.id, vm);
        if (now?.needsTarget === true) found.needsTarget = true;
      }
    }
    if (next === undefined || !(await hasOpenTarget(step))) return found;
    after = next;
  }
  return found;
}

/** Whether a target may have a slot: if none has, no move behind these can start. */
async function hasOpenTarget(step: Step): Promise<boolean> {
  const { id, status, version } = step.evacuation;
  if (status === "rolling-back") return true;
  step.targets ??= (await listOutlines(id, version)).flatMap(({ targets }) => targets);
  return step.targets.some((target) => !step.full.has(`target ${target}`));
}

/** The queues to look at. Moves of hosts whose turn has not come are in none of them. */
function placesOf(
  { hosts, status, forward }: StoredEvacuation,
  woken: ReadonlySet<string>,
): Place[] {
  const isForward = status === "running" && forward === undefined;
  const draining = hosts.filter(({ state }) => state === "draining").map(({ host }) => host);
  const places: Place[] = [];
  const names = [...woken].filter((name) => name !== EVERYTHING && name !== ROOM);
  const changed = names.map((name) => HostIdSchema.parse(name));
  if (woken.has(EVERYTHING)) {
    // On the way back the sources are the former targets: every queue is found by its target.
    if (isForward) return draining.map((host) => ["source", host]);
    return hosts.map(({ host }) => ["target", host]);
  }
  for (const host of changed) {
    if (!isForward || draining.includes(host)) places.push(["source", host]);
    places.push(["target", host]);
  }
  return places;
}

/**
 * Puts moves whose pause is over into the queues. Those that need another target wait for a new
 * version.
 */
export async function requeueDue({ id }: Pick<StoredEvacuation, "id">) {
  const retries = await listRetries(id, RETRIES_MAX);
  const now = Date.now();
  let needsTarget = false;
  let requeued = false;
  for (const { vm } of retries.filter(({ atMs }) => atMs <= now)) {
    const before = await findMove(id, vm);
    if (before?.state !== "retrying") continue;
    if (before.needsTarget === true) needsTarget = true;
    else
      requeued = (await changeMove(id, { before, after: inState(before, "waiting") })) || requeued;
  }
  const next = retries.find(({ atMs }) => atMs > now);
  return {
    needsTarget,
    requeued,
    nextSeconds: next === undefined ? undefined : Math.max(1, Math.ceil((next.atMs - now) / 1000)),
  };
}

/**
 * Makes up for what a process that died has not done: an end that was not recorded, a migration whose
 * execution was not started, a migration that was withdrawn.
 */
export async function checkMoving({ id }: Pick<StoredEvacuation, "id">): Promise<void> {
  const moving = (await listAllMoves(id)).filter(({ state }) => state === "moving");
  for (const before of moving) {
    const migration =
      before.migration === undefined ? undefined : await findMigration(before.migration);
    if (migration === undefined) {
      const tries = before.tries.slice(0, -1);
      await changeMove(id, { before, after: inState(before, "waiting", { tries }) });
    } else if (!isFinal(migration.status)) await startAgain(migration);
    else if ((await recordMoveEnd(migration)) !== undefined) await wakeEvacuation(id, [EVERYTHING]);
  }
}

/**
 * Ends the prepared targets of moves that have not begun to send, since nothing of the evacuation may
 * begin now. They wait again afterwards. Transfers in flight go on.
 *
 * @param source only moves away from this host
 */
export async function holdBackPrepared(
  { id, counters }: Pick<StoredEvacuation, "id" | "counters">,
  why: string,
  source?: HostId,
): Promise<void> {
  if (counters.moving === 0) return;
  for (const move of await listAllMoves(id)) {
    const isConcerned = source === undefined || move.source === source;
    if (move.state !== "moving" || move.migration === undefined || !isConcerned) continue;
    const migration = await findMigration(move.migration);
    if (migration?.slots !== "preparing" || !(await holdBack(migration, why))) continue;
    await byInvocation.refuse(migration.id, why);
  }
}

/** What a cancelled evacuation has not begun stays where it is. */
export async function skipWaiting({ id, endedBy }: StoredEvacuation): Promise<void> {
  const reason = `the evacuation was ended by ${endedBy?.author ?? "somebody"}`;
  for (const before of await listAllMoves(id)) {
    if (!isOpen(before.state) || before.state === "moving") continue;
    await changeMove(id, { before, after: inState(before, "skipped", { reason }) });
  }
}

/** What a person has uncordoned is not emptied any more: its moves that have not begun are skipped. */
export async function skipUncordoned(evacuation: StoredEvacuation): Promise<void> {
  const { id, uncordoned, hosts, left } = evacuation;
  for (const { host, state } of hosts) {
    const by = uncordoned[host];
    // A transfer that was in flight may fail later: it is not tried again.
    const isOver = state === "kept" && (left[host] ?? 0) === 0;
    if (by === undefined || isOver) continue;
    const reason = `${host} was uncordoned by ${by.author}`;
    await holdBackPrepared(evacuation, reason, host);
    for (const before of await listAllMoves(id)) {
      if (before.source !== host || !isOpen(before.state) || before.state === "moving") continue;
      await changeMove(id, { before, after: inState(before, "skipped", { reason }) });
    }
    await edit(id, (now) => ({
      hosts: now.hosts.map((turn) =>
        turn.host === host && turn.state !== "kept"
          ? { ...turn, state: "kept" as const, endedAt: new Date().toISOString() }
          : turn,
      ),
    }));
  }
}
