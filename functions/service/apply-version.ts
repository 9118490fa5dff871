import { names } from "../../core/evacuation/version.ts";
import type { VmId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import {
  addMove,
  changeMove,
  inState,
  listAllMoves,
  putNewMove,
  type StoredMove,
} from "../store/evacuation-moves.ts";
import { findVersion, type PlanVersion } from "../store/evacuation-plans.ts";
import { EVERYTHING, listenTo } from "../store/evacuation-wakes.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { edit } from "./change-evacuation.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

/** Writes at the same time. */
const TOGETHER_MAX = 20;

/**
 * Brings the moves of an evacuation in line with the version that is carried out. Idempotent, so a step
 * that dies in between is done again; a move that has begun, or has ended, stays as it is.
 */
export async function applyVersion(evacuation: StoredEvacuation): Promise<void> {
  const { id, approvedVersion = 1, appliedVersion } = evacuation;
  if (appliedVersion >= approvedVersion) return;
  const version = await findVersion(id, approvedVersion);
  if (version === undefined) throw new Error(`Expected version ${approvedVersion} of ${id}`);
  const moves = movesOf(version);
  // Before the next step looks for room: what appears from now on wakes it.
  if (moves.some(({ state }) => state === "unplaced")) await listenTo({ room: true }, id);
  if (appliedVersion === 0) {
    await together(moves, (move) => putNewMove(id, move));
  } else {
    const known = new Map<string, StoredMove>(
      (await listAllMoves(id)).map((move) => [move.vm, move]),
    );
    await together(moves, async (move) => {
      const before = known.get(move.vm);
      if (before === undefined) return addMove(id, move);
      const after = renewed(before, move);
      return after === undefined || changeMove(id, { before, after });
    });
  }
  await edit(id, (now) =>
    now.appliedVersion < approvedVersion ? { appliedVersion: approvedVersion } : undefined,
  );
  await wakeEvacuation(id, [EVERYTHING]);
}

/** The move by a later version; undefined: it stays as it is. */
function renewed(before: StoredMove, made: StoredMove): StoredMove | undefined {
  const isOpenToPlans = ["waiting", "retrying", "unplaced"].includes(before.state);
  if (!isOpenToPlans || before.leg === "back") return undefined;
  const { target, version, order, startAtMs } = made;
  if (target === undefined) {
    if (before.state === "unplaced") return undefined;
    const { target: _, ...without } = before;
    const { reason, cure } = made;
    return inState(without, "unplaced", {
      version,
      ...(reason === undefined ? {} : { reason }),
      ...(cure === undefined ? {} : { cure }),
    });
  }
  const isTimed = before.state === "retrying" && before.needsTarget !== true;
  if (isTimed || (before.state === "waiting" && before.target === target)) return undefined;
  // What it was predicted to take counts towards the whole, so it stays as it was.
  const predicted = before.predictedMs === undefined ? made : before;
  return inState(before, "waiting", {
    target,
    version,
    order,
    ...(startAtMs === undefined ? {} : { startAtMs }),
    ...predictionOf(predicted),
  });
}

function predictionOf({ predictedMs, predictedBytes, predictedDowntimeMs }: StoredMove) {
  return {
    ...(predictedMs === undefined ? {} : { predictedMs }),
    ...(predictedBytes === undefined ? {} : { predictedBytes }),
    ...(predictedDowntimeMs === undefined ? {} : { predictedDowntimeMs }),
  };
}

/** The moves of a plan as they begin, and the VMs that stay. */
export function movesOf({ plan, outline, at }: PlanVersion): StoredMove[] {
  const common = {
    leg: "forward",
    version: outline.version,
    tries: [],
    countedFrom: 0,
    revision: 1,
    updatedAt: at,
  } as const;
  const moves = new Map<VmId, StoredMove>();
  for (const [order, planned] of plan.moves.entries()) {
    moves.set(planned.vm, {
      ...common,
      tries: [],
      vm: planned.vm,
      state: "waiting",
      source: planned.source,
      target: planned.target,
      order,
      predictedMs: planned.endAtMs - planned.startAtMs,
      predictedBytes: planned.bytes,
      predictedDowntimeMs: planned.downtimeMs,
      startAtMs: planned.startAtMs,
    });
  }
  for (const [place, { vm, host, blockers, explanation }] of plan.unplaced.entries()) {
    if (moves.has(vm)) continue;
    moves.set(vm, {
      ...common,
      tries: [],
      vm,
      state: "unplaced",
      source: host,
      order: plan.moves.length + place,
      ...whyUnplaced(plan, blockers, explanation),
    });
  }
  return [...moves.values()];
}

const TEXT_MAX = 2_000;
/** Groups of hosts that a text names; the plan has all. */
const GROUPS_MAX = 10;

type Reasons = Plan["explanations"][number]["reasons"][number];

/** Hosts that take no guests at all say the least about a VM. */
function isClosed({ blockers }: Reasons): boolean {
  return blockers.some(({ code }) => code === "cordoned" || code.startsWith("host-"));
}

function textOf({ hosts, blockers }: Reasons): string {
  return `${names(hosts)}: ${blockers.map(({ code, message }) => `${code}: ${message}`).join("; ")}`;
}

function whyUnplaced(
  { explanations }: Plan,
  blockers: Plan["unplaced"][number]["blockers"],
  index: number,
): { reason: string; cure: string } {
  const explanation = explanations[index];
  const own = blockers.map(({ code, message }) => `${code}: ${message}`);
  const { open = [], closed = [] } = Object.groupBy(explanation?.reasons ?? [], (reasons) =>
    isClosed(reasons) ? "closed" : "open",
  );
  const others = [...open, ...closed].slice(0, GROUPS_MAX).map(textOf);
  const cures = [...blockers.map(({ cure }) => cure), ...(explanation?.cures ?? [])];
  return {
    reason: (own.length > 0 ? own : others).join("\n").slice(0, TEXT_MAX) || "no host takes it",
    cure: [...new Set(cures)].join("; ").slice(0, TEXT_MAX) || "see the reasons",
  };
}

async function together<T>(list: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let place = 0; place < list.length; place += TOGETHER_MAX) {
    await Promise.all(list.slice(place, place + TOGETHER_MAX).map(work));
  }
}
