import type { AdvanceOutput } from "../../core/evacuation/execution-input.ts";
import { decide, isFinalEvacuation, isOffering } from "../../core/evacuation/life.ts";
import { timedPauses } from "../../core/evacuation/pausing.ts";
import { areTurnsOver } from "../../core/evacuation/turns.ts";
import type { EvacuationId } from "../../core/id.ts";
import { EVERYTHING, ROOM, readWakes, settleWakes } from "../store/evacuation-wakes.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { applyVersion } from "./apply-version.ts";
import { act, edit, requireEvacuation } from "./change-evacuation.ts";
import { beginTurns, cleanUp, endTurns } from "./evacuation-turns.ts";
import { computeTimes, keepTimes } from "./keep-times.ts";
import {
  checkMoving,
  holdBackPrepared,
  requeueDue,
  skipUncordoned,
  skipWaiting,
  startNext,
} from "./next-moves.ts";
import { halfwayOf, noteHalfway } from "./note-halfway.ts";
import { elapsedOf, replan } from "./replan-evacuation.ts";
import { giveUpMoves, prepareRollback } from "./roll-back.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

/** Rounds of one call: a round begins again when something has changed meanwhile. */
const ROUNDS_MAX = 10;
const everything: ReadonlySet<string> = new Set([EVERYTHING]);
/** The longest time without a step: it makes up for a wake that was lost. */
const STEP_SECONDS_MAX = 3_600;
/** The same while a move waits for something that wakes nobody, e.g. a guest that starts. */
const STEP_SECONDS_WAITING = 30;
/** Versions up to this one may be made for room; the others are for moves that lose their targets. */
const ROOM_VERSIONS_MAX = 25;

/**
 * One step of an evacuation: does all that can be done now. Each of its writes has a condition, so it
 * may be called twice, twice at once, and again after it died anywhere.
 */
export async function advanceEvacuation(id: EvacuationId): Promise<AdvanceOutput> {
  // Before the record: a change whose wake was read here is in it.
  let wakes = await readWakes(id);
  let evacuation = await edit(id, ({ lost }) => (lost === 0 ? undefined : { lost: 0 }));
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    // Nothing has woken it: time has passed, or a process died before it could.
    const woken = wakes.hosts.size === 0 ? everything : wakes.hosts;
    const wait = await step(evacuation, woken);
    const isSettled = await settleWakes(id, wakes);
    if (!isSettled) wakes = await readWakes(id);
    evacuation = await requireEvacuation(id);
    if (isSettled) return { ended: isFinalEvacuation(evacuation.status), waitSeconds: wait };
  }
  return { ended: false, waitSeconds: 1 };
}

/** @returns after how many seconds something is due */
async function step(evacuation: StoredEvacuation, woken: ReadonlySet<string>): Promise<number> {
  switch (evacuation.status) {
    case "approved":
      await begin(evacuation);
      return 1;
    case "running":
      return run(evacuation, woken);
    case "rolling-back":
      return goBack(evacuation, woken);
    case "cancelling":
      if (woken.has(EVERYTHING)) await checkMoving(evacuation);
      await holdBackPrepared(evacuation, "its evacuation ends");
      await skipWaiting(evacuation);
      await finish(evacuation.id);
      return STEP_SECONDS_MAX;
    default:
      return STEP_SECONDS_MAX;
  }
}

/** The moves of the approved version are written before the evacuation runs. */
async function begin(evacuation: StoredEvacuation): Promise<void> {
  const { id } = evacuation;
  // A change freeze may have been added while the evacuation was written, or waited for approvals.
  await computeTimes(id);
  await applyVersion(evacuation);
  await act(id, { do: "begin" }, () => ({ startedAt: new Date().toISOString() }));
}

async function run(evacuation: StoredEvacuation, woken: ReadonlySet<string>): Promise<number> {
  const { id } = evacuation;
  if (woken.has(EVERYTHING)) await checkMoving(evacuation);
  await applyVersion(evacuation);
  await skipUncordoned(evacuation);
  await keepTimes(evacuation);
  // Read after the wakes of this step: only what the step itself has changed since is missing.
  const isOther = woken.has(EVERYTHING) || mayHaveChanged(evacuation);
  let now = isOther ? await requireEvacuation(id) : evacuation;
  // First: with a canary that has failed, no other host begins.
  if (await holdByBudget(now)) now = await requireEvacuation(id);
  if (await beginTurns(now)) now = await requireEvacuation(id);
  const due = await requeueDue(evacuation);
  const isPaused = Object.keys(now.pauses).length > 0;
  let waits = false;
  let hasChanged = false;
  let hasStarted = false;
  if (isPaused) await holdBackPrepared(now, "its evacuation is paused");
  else {
    if (await planAnew(now, due.needsTarget, woken)) return 1;
    const started = await startNext(now, due.requeued ? everything : woken);
    ({ waits, hasChanged, hasStarted } = started);
    // Of what has just lost its target, the next round makes a new plan.
    if (started.needsTarget) return 1;
  }
  const after = hasChanged || due.hasChanged ? await requireEvacuation(id) : now;
  await noteHalfway(after);
  const turns = await endTurns(after);
  if (turns === "appeared" && !isPaused) {
    if (await replan(await requireEvacuation(id), "vm-appeared")) return 1;
    waits = true;
  }
  // Once nothing moves, and nothing that waits would end in this window, the window is over for it.
  const { openTimes } = evacuation;
  const timeSeconds =
    openTimes === undefined ? STEP_SECONDS_MAX : await keepTimes(await requireEvacuation(id));
  if (turns === "closed" || areTurnsOver(after.hosts)) await finish(id);
  // What waits may be on a host that this step has not looked at.
  waits ||= !hasStarted && after.counters.moving === 0 && after.counters.waiting > 0;
  const waitSeconds = waits ? STEP_SECONDS_WAITING : STEP_SECONDS_MAX;
  const idle = Math.min(waitSeconds, timeSeconds, secondsOfOffer(after));
  return isPaused
    ? Math.min(STEP_SECONDS_MAX, timeSeconds)
    : Math.min(idle, due.nextSeconds ?? idle);
}

/** Whether what a step does first may have written the record. */
function mayHaveChanged(evacuation: StoredEvacuation): boolean {
  const { approvedVersion = 1, appliedVersion, uncordoned, openTimes, pauses } = evacuation;
  const isTimed = openTimes !== undefined || timedPauses.some((one) => pauses[one] !== undefined);
  return isTimed || appliedVersion < approvedVersion || Object.keys(uncordoned).length > 0;
}

/**
 * Makes a new version where a move has lost its target, or room may have appeared for a VM that has no
 * place.
 *
 * @returns whether there is one: the next step carries it out, or waits for its approval
 */
async function planAnew(
  evacuation: StoredEvacuation,
  needsTarget: boolean,
  woken: ReadonlySet<string>,
): Promise<boolean> {
  if (needsTarget) return replan(evacuation, "target-needed");
  const { counters, version } = evacuation;
  const mayHaveRoom = woken.has(ROOM) || woken.has(EVERYTHING);
  if (counters.unplaced === 0 || !mayHaveRoom || version >= ROOM_VERSIONS_MAX) return false;
  return replan(evacuation, "room-appeared");
}

/** The time in which a version that is offered may be approved keeps the evacuation open. */
function secondsOfOffer(evacuation: StoredEvacuation): number {
  const nowMs = Date.now();
  const { offeredUntil } = evacuation;
  if (offeredUntil === undefined) return STEP_SECONDS_MAX;
  if (!isOffering(evacuation, new Date(nowMs).toISOString())) return STEP_SECONDS_MAX;
  return Math.ceil((Date.parse(offeredUntil) - nowMs) / 1000);
}

async function goBack(evacuation: StoredEvacuation, woken: ReadonlySet<string>): Promise<number> {
  const { id } = evacuation;
  if (woken.has(EVERYTHING)) await checkMoving(evacuation);
  const isPrepared = await prepareRollback(evacuation);
  await holdByBudget(await requireEvacuation(id));
  const now = await requireEvacuation(id);
  if (Object.keys(now.pauses).length > 0) await holdBackPrepared(now, "its evacuation is paused");
  const due = await requeueDue(evacuation);
  const all = isPrepared || due.requeued;
  const begun = await startNext(await requireEvacuation(id), all ? everything : woken);
  const waits = begun.waits || (await isStuck(await requireEvacuation(id))) === "waits";
  await finish(id);
  const idle = waits ? STEP_SECONDS_WAITING : STEP_SECONDS_MAX;
  return Math.min(idle, due.nextSeconds ?? idle);
}

/** Nothing moves back: what no old host takes, and none will take by itself, stays. */
async function isStuck(evacuation: StoredEvacuation): Promise<"waits" | "no"> {
  const { counters, pauses } = evacuation;
  const isQuiet = counters.moving === 0 && counters.retrying === 0 && counters.waiting > 0;
  if (!isQuiet || Object.keys(pauses).length > 0) return "no";
  const begun = await startNext(evacuation, everything);
  const { counters: after } = await requireEvacuation(evacuation.id);
  if (after.moving > 0 || begun.isHeld) return begun.waits ? "waits" : "no";
  if (begun.roomless.length === 0) return "no";
  await giveUpMoves(evacuation, begun.roomless);
  // Behind them there may be others.
  await wakeEvacuation(evacuation.id, [EVERYTHING]);
  return "no";
}

/**
 * With the first failure beyond the budget it pauses; nothing could have started since it failed.
 *
 * @returns whether it is beyond
 */
async function holdByBudget({
  id,
  limits,
  counters,
  failedBefore,
}: StoredEvacuation): Promise<boolean> {
  const { errorBudget } = limits;
  if (errorBudget === undefined || counters.failed - failedBefore <= errorBudget) return false;
  await act(id, { do: "hold", reason: "error-budget" });
  return true;
}

/** Ends the evacuation if nothing of it is to be done any more. */
async function finish(id: EvacuationId): Promise<void> {
  const evacuation = await requireEvacuation(id);
  const { status, hosts, eta, pauses, uncordoned } = evacuation;
  if (status === "running" && !areTurnsOver(hosts)) return;
  // A version that awaits its approval may still move what stays.
  if (status === "running" && Object.hasOwn(pauses, "tolerance")) return;
  const isEmptied = hosts.every(
    ({ host, state }) => state === "emptied" || uncordoned[host] !== undefined,
  );
  const action = { do: "finish", isEmptied } as const;
  const decided = decide(evacuation, action, new Date().toISOString());
  if (!("life" in decided)) return;
  const { life } = decided;
  if (isFinalEvacuation(life.status)) await cleanUp({ ...evacuation, status: life.status });
  const realMs = elapsedOf(evacuation);
  const isOver = isFinalEvacuation(life.status) && status === "running";
  const halfway = isOver ? await halfwayOf(evacuation) : undefined;
  const { evacuation: after } = await act(id, action, (_, next) => {
    if (!isFinalEvacuation(next.status) || status !== "running") return {};
    const ratio = eta.lowerBoundMs === 0 ? {} : { ratio: realMs / eta.lowerBoundMs };
    const half = halfway === undefined ? {} : { halfwayEndMs: halfway };
    return { eta: { ...eta, ...half, realMs, ...ratio } };
  });
  if (after.status === "rolling-back") await wakeEvacuation(id, [EVERYTHING]);
}
