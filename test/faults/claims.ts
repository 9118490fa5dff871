import { readFileSync } from "node:fs";
import type { Migration, TimelineEntry } from "../../core/migration/migration.ts";
import { vmStateOf } from "../../core/qemu/run-state.ts";
import type { Vm } from "../../core/vm.ts";
import { checkDataDisk } from "../../rig/guest/data-disk.ts";
import { parseDataLog } from "../../rig/guest/data-guest.ts";
import { type Bed, DATA_SECTORS } from "./bed.ts";
import type { Excuses } from "./excuses.ts";
import type { Witness } from "./witness.ts";

/** Turns of the way back in one execution, and how often one undo action is taken in it. */
const DECISIONS_MAX = 30;
const TRIES_MAX = 5;
const undoActions = ["cancel-source", "resume-source", "resume-target", "discard-target"];
/**
 * How much longer than in the record a guest may print nothing: the agents' own watches (2 s), the
 * guest's time between two lines, and a busy machine.
 */
const TOLERANCE_MS = 6_000;

/** What must not repeat without a bound, and what `completed` rests on. */
export function unboundedRepeats(
  migration: Migration,
  timeline: readonly TimelineEntry[],
  { executionsMax }: Excuses,
): string[] {
  const found: string[] = [];
  const decisions = timeline.filter(({ type }) => type === "reconcile.decided");
  if (decisions.length > DECISIONS_MAX * executionsMax) {
    found.push(`${decisions.length} decisions of the way back`);
  }
  for (const action of undoActions) {
    const tries = decisions.filter(({ detail }) => detail.action === action).length;
    if (tries > TRIES_MAX * executionsMax) found.push(`${tries} times ${action}`);
  }
  const wasSeen =
    migration.arrivedAs !== undefined ||
    decisions.some(({ detail }) => detail.action === "complete");
  if (migration.status === "completed" && !wasSeen) {
    found.push("completed, and the target's guest was not seen");
  }
  if (migration.runningOn !== undefined && (migration.arrivedAs ?? "running") !== "running") {
    found.push(`runs on ${migration.runningOn}, but arrived as ${migration.arrivedAs}`);
  }
  return found;
}

/** Compares the time for which the guest printed nothing with that in the record. */
export function unrecordedStandstill(
  migration: Migration,
  timeline: readonly TimelineEntry[],
  witness: Witness,
): string[] {
  const recordedMs =
    recordedStandstillMs(migration) + pausedBeforeStartMs(timeline) + ioErrorMs(timeline);
  const stoodMs = witness.longestStandstillMs;
  if (stoodMs <= recordedMs + TOLERANCE_MS) return [];
  return [`the guest stood still for ${Math.round(stoodMs)} ms, the record has ${recordedMs} ms`];
}

function recordedStandstillMs(migration: Migration): number {
  const { standstills = [], stoppedAtMs, targetRunningAtMs, blackoutMs, endedAt } = migration;
  const endedMs = Date.parse(endedAt ?? migration.updatedAt);
  const before = standstills.map(({ sinceMs, untilMs }) => (untilMs ?? endedMs) - sinceMs);
  const sum = before.reduce((total, each) => total + each, 0);
  if (stoppedAtMs === undefined) return Math.round(sum);
  const downMs = blackoutMs ?? (targetRunningAtMs ?? endedMs) - stoppedAtMs;
  return Math.round(sum + downMs);
}

/** How long the guest did not run before the source's part began: its run states have that. */
function pausedBeforeStartMs(timeline: readonly TimelineEntry[]): number {
  const startedMs = timeline.find(({ type }) => type === "migration.started")?.at;
  return stateMs(timeline, "source", ({ at, detail }) => {
    const isBefore = startedMs === undefined || at < startedMs;
    return isBefore && detail.runState !== "running";
  });
}

/** For how long an I/O error stopped it on the target: it may come before a first line there. */
function ioErrorMs(timeline: readonly TimelineEntry[]): number {
  return stateMs(timeline, "target", ({ detail }) => detail.runState === "io-error");
}

/** The sum of the times from each change of the run state that counts to the next one. */
function stateMs(
  timeline: readonly TimelineEntry[],
  side: "source" | "target",
  counts: (change: TimelineEntry) => boolean,
): number {
  const changes = timeline.filter(
    ({ type, detail }) => type === "guest.run-state" && detail.side === side,
  );
  return changes.reduce((totalMs, change, place) => {
    const next = changes[place + 1] ?? timeline.at(-1);
    if (next === undefined || !counts(change)) return totalMs;
    return totalMs + Date.parse(next.at) - Date.parse(change.at);
  }, 0);
}

/** The record's run state is what QEMU reports; undefined: it is. */
export async function falseRunState(bed: Bed, vm: Vm): Promise<string | undefined> {
  const reported = await bed.guest.runState(vm.host);
  if (reported === undefined) return `the record has ${vm.state}, and QEMU does not answer`;
  if (vmStateOf(reported) === vm.state) return undefined;
  return `the record has ${vm.state}, QEMU reports ${reported}`;
}

/** Stops the guest for a moment, and checks what it has written to its disk. */
export async function brokenSectors(bed: Bed, host: string): Promise<string[]> {
  await bed.guest.stop(host);
  try {
    const log = readFileSync(bed.fleet.serialLog(host, bed.vm), "latin1");
    const reported = parseDataLog(log).at(-1);
    const { problems } = await checkDataDisk(bed.guest.dataPath(host), {
      dataSectors: DATA_SECTORS,
      boots: bed.boots,
      ...(reported ? { reported } : {}),
    });
    return problems.map(({ sector, reason }) => `sector ${sector} of the disk ${reason}`);
  } finally {
    await bed.guest.runOn(host);
  }
}
