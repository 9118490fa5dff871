import { decide } from "../../core/evacuation/life.ts";
import {
  classOf,
  type EndedMigration,
  outcomeOf,
  type ReasonClass,
} from "../../core/evacuation/outcome.ts";
import type { EvacuationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import {
  changeMove,
  findMove,
  inState,
  type StoredMove,
  withTry,
} from "../store/evacuation-moves.ts";
import { EVERYTHING } from "../store/evacuation-wakes.ts";
import { lifeFields } from "../store/evacuations.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { edit } from "./change-evacuation.ts";
import { wasHeldBack } from "./hold-back-move.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

/** How often the move may change between the read and the write. */
const TRIES_MAX = 5;

/**
 * Called when a migration has ended: records what that means for the evacuation that has started it.
 * Repeated, it changes nothing.
 *
 * @returns the evacuation if it may go on by that: the caller wakes it
 */
export async function recordMoveEnd(migration: StoredMigration): Promise<EvacuationId | undefined> {
  const { evacuation: id } = migration;
  if (id === undefined || !isFinal(migration.status)) return undefined;
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const move = await findMove(id, migration.vm);
    if (move === undefined || !concerns(move, migration)) break;
    const after = await afterEnd(move, migration);
    if (after.state === "moving" && after.migration === migration.id) {
      await holdForUnknown(id, migration.vm);
      // Known already: nothing has changed that anybody could act on.
      if (after.reason === move.reason) return undefined;
    }
    if (!(await changeMove(id, { before: move, after }))) continue;
    // All the others have waited for it, on whatever hosts they are.
    if (move.isAlone === true) await wakeEvacuation(id, [EVERYTHING]);
    // One of which nobody knew where it runs was decided by what was observed.
    if (migration.decisions.length > 0) await forgetUnknown(id, after);
    break;
  }
  return id;
}

/** A skipped VM that has arrived after all has moved. */
function concerns(move: StoredMove, { id, status }: StoredMigration): boolean {
  if (move.migration !== id) return false;
  return move.state === "moving" || (move.state === "skipped" && status === "completed");
}

async function afterEnd(move: StoredMove, migration: StoredMigration): Promise<StoredMove> {
  const { restart } = migration;
  const successor = restart === undefined ? undefined : await findMigration(restart.id);
  if (successor !== undefined) {
    const { id, target, createdAt } = successor;
    const ended = { ...move, tries: endTry(move, migration) };
    const tries = withTry(ended, { migration: id, target, startedAt: createdAt });
    return inState(move, "moving", { migration: id, ...tries });
  }
  if (wasHeldBack(migration)) {
    // It never began: it waits as before, and no try is used up.
    const { tries, countedFrom } = move;
    return inState(move, "waiting", { tries: tries.slice(0, -1), countedFrom });
  }
  const ended = migration as EndedMigration;
  const before = move.tries.slice(move.countedFrom, -1);
  const outcome = outcomeOf(ended, before);
  const tries = endTry(move, migration);
  const { state } = outcome;
  if (state === "moved") return inState(move, "moved", { tries });
  const { reason } = outcome;
  if (state === "failed" || state === "skipped") {
    return inState(move, state, { tries, reason, cure: outcome.cure });
  }
  if (state !== "retrying") return inState(move, state, { tries, reason });
  return inState(move, "retrying", {
    tries,
    reason,
    notBefore: new Date(Date.now() + outcome.afterMs).toISOString(),
    ...(outcome.needsTarget && move.leg === "forward" ? { needsTarget: true } : {}),
  });
}

/** The tries, the last one with its end. */
function endTry({ tries }: StoredMove, migration: StoredMigration) {
  const last = tries.at(-1);
  if (last === undefined) return tries;
  const { createdAt, endedAt, updatedAt, figures, failure } = migration;
  const end = endedAt ?? updatedAt;
  const done = {
    ...last,
    endedAt: end,
    // Plans predict the work, not the wait for a slot.
    ms: Math.max(0, Date.parse(end) - Date.parse(createdAt) - waitedMs(migration)),
    ...slotTime(migration),
    ...(figures === undefined
      ? {}
      : { transferMs: figures.totalTimeMs, downtimeMs: figures.downtimeMs }),
    ...(figures?.progress.ramTransferredBytes === undefined
      ? {}
      : { bytes: figures.progress.ramTransferredBytes }),
    ...(failure === undefined
      ? {}
      : { code: failure.code, message: failure.message.slice(0, 1_000), ...classOfTry(migration) }),
  };
  return [...tries.slice(0, -1), done];
}

function slotTime({ phases, endedAt, updatedAt }: StoredMigration): { slotMs?: number } {
  const first = phases.find(({ name }) => name === "precopy");
  if (first === undefined) return {};
  return { slotMs: Math.max(0, Date.parse(endedAt ?? updatedAt) - Date.parse(first.startedAt)) };
}

/** How long it has waited, prepared, for its slots. */
function waitedMs({ waitsSince, slotsSince, endedAt, updatedAt }: StoredMigration): number {
  if (waitsSince === undefined) return 0;
  const until = slotsSince ?? endedAt ?? updatedAt;
  return Math.max(0, Date.parse(until) - Date.parse(waitsSince));
}

/** A try that a person has cancelled says nothing of its target, and counts against no budget. */
function classOfTry({ status, failure }: StoredMigration): { class?: ReasonClass } {
  if (failure === undefined || status === "cancelled") return {};
  return { class: status === "unknown" ? "unsafe" : classOf(failure) };
}

/** Names that fit the record. VMs beyond them are found again when their moves are looked at. */
export const UNKNOWN_VMS_MAX = 2_000;

/** Nothing starts while nobody knows where one of its guests runs. */
async function holdForUnknown(id: EvacuationId, vm: StoredMigration["vm"]): Promise<void> {
  await edit(id, (now) => {
    if (now.unknownVms.includes(vm)) return undefined;
    const held = decide(now, { do: "hold", reason: "vm-unknown" }, new Date().toISOString());
    const unknownVms = [...now.unknownVms, vm].slice(0, UNKNOWN_VMS_MAX);
    return { unknownVms, ...("life" in held ? lifeFields(held.life) : {}) };
  });
}

/** The pause ends with the last VM that was unknown. */
export async function forgetUnknown(
  id: EvacuationId,
  { vm, state }: Pick<StoredMove, "vm" | "state">,
): Promise<void> {
  if (state === "moving") return;
  await edit(id, (now) => {
    if (!now.unknownVms.includes(vm)) return undefined;
    const unknownVms = now.unknownVms.filter((other) => other !== vm);
    const { "vm-unknown": _, ...pauses } = now.pauses;
    return unknownVms.length === 0 ? { unknownVms, pauses } : { unknownVms };
  });
}
