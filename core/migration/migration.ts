import * as z from "zod";
import { ClimbedRung } from "../convergence/ladder.ts";
import { EvacuationId, HostId, MigrationId, VmId } from "../id.ts";
import { AckMode, Agreement } from "../negotiate/agreement.ts";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { AckEvidence, FinalFigures, Progress } from "../protocol/event.ts";
import { TwinCheck } from "../twin/comparison.ts";
import { VmState } from "../vm-state.ts";
import { forwardPhases, recoveryPhases, wayBackPhases } from "./phases.ts";
import { Queue } from "./queue.ts";

export const Phase = z.enum([...forwardPhases, ...wayBackPhases, ...recoveryPhases]);
export type Phase = z.infer<typeof Phase>;

/** Status of a migration's record (QEMU's own statuses: core/qemu/migration-status.ts). */
export const MigrationStatus = z.enum([
  "running",
  "completed",
  "failed",
  "cancelled",
  /** Only a person can decide where the guest runs; nothing is touched. */
  "unknown",
]);
export type MigrationStatus = z.infer<typeof MigrationStatus>;

/**
 * Legal next phases. `reconcile` may lead to `confirm`: the migration had completed after all. From
 * `precopy` a workflow goes to the first phase that is not over yet.
 */
export function nextPhases(phase: Phase): readonly Phase[] {
  if (phase === "precopy") return ["await-ack", "switchover", "confirm", "reconcile"];
  if (phase === "reconcile") return ["confirm", "undo", "end", "postcopy"];
  if (phase === "switchover") return ["confirm", "reconcile", "postcopy"];
  if (phase === "postcopy") return ["confirm", "reconcile", "end"];
  if (phase === "undo") return ["reconcile", "end"];
  if (phase === "end") return [];
  if (phase === "confirm") return ["end", "reconcile"];
  const next = forwardPhases[forwardPhases.indexOf(phase) + 1];
  return next === undefined ? ["reconcile"] : [next, "reconcile"];
}

type Entered = { name: Phase; startedAt: string };

/**
 * All phases of a completed migration, with those that the workflow skipped. A skipped phase begins
 * at a time of the hosts: `await-ack` and `switchover` at the guest's stop, `confirm` at the source's
 * completion. These times are limited to the phases before and after, so that a wrong host clock
 * changes no order. A migration that was on the way back is returned unchanged.
 */
export function allPhases(
  entered: readonly Entered[],
  hostTimes: { stoppedAtMs?: number | undefined; sourceCompletedAtMs?: number | undefined },
  nowMs: number,
): Entered[] {
  if (entered.some(({ name }) => !isForward(name))) return [...entered];
  const times: Partial<Record<Phase, number | undefined>> = {
    "await-ack": hostTimes.stoppedAtMs,
    switchover: hostTimes.stoppedAtMs,
    confirm: hostTimes.sourceCompletedAtMs,
  };
  const all: Entered[] = [];
  for (const name of forwardPhases) {
    const known = entered.find((phase) => phase.name === name);
    const before = Date.parse(all.at(-1)?.startedAt ?? known?.startedAt ?? "");
    const next = entered.find((phase) => forwardPhases.indexOf(name) < orderOf(phase.name));
    const latest = next === undefined ? nowMs : Date.parse(next.startedAt);
    const atMs = Math.max(before, Math.min(times[name] ?? latest, latest));
    all.push(known ?? { name, startedAt: new Date(atMs).toISOString() });
  }
  return all;
}

function isForward(phase: Phase): boolean {
  return orderOf(phase) >= 0;
}

function orderOf(phase: Phase): number {
  return (forwardPhases as readonly Phase[]).indexOf(phase);
}

/** Whether a migration with this status is over. */
export function isFinal(status: MigrationStatus): boolean {
  return status !== "running";
}

/** Why a migration did not complete. */
export const Failure = z.strictObject({
  code: z.string().regex(/^[a-z0-9-]+$/),
  message: z.string(),
  /** The state that the VM and its hosts are in. */
  state: z.string(),
  /** What to do about it. */
  cure: z.string(),
  phase: Phase,
});
export type Failure = z.infer<typeof Failure>;

const instant = z.iso.datetime();

/** Holding switchover while the guest runs, until it is permitted. */
export const Gate = z.strictObject({
  /** `gated`: the policy asks for it; `budget`: the load time exceeds the downtime budget. */
  reason: z.enum(["gated", "budget"]),
  /** When switchover was permitted. */
  permittedAt: instant.optional(),
  /** Who permitted it: an operator, `policy.switchover.permitAt`, or its group being complete. */
  permittedBy: z.enum(["operator", "time", "group"]).optional(),
  /** When the source began to hold, and when its gate was opened: host clock, ms since the epoch. */
  heldAtMs: z.number().optional(),
  openedAtMs: z.number().optional(),
});
export type Gate = z.infer<typeof Gate>;

/** What the downtime is expected to be. */
export const Prediction = z.strictObject({
  /** Expected downtime at most, ms: QEMU's downtime limit plus the devices' load time. */
  downtimeMs: z.number().nonnegative(),
  /** Load time learned from earlier migrations, ms; 0 if none is known. */
  loadMs: z.number().nonnegative(),
  /** What it was learned from, e.g. `vm web1` or `mdev mtty-1`; absent if none is known. */
  learnedFrom: z.string().optional(),
  /**
   * Bandwidth of the slower link, B/s: QEMU is set to it after the first pass over RAM. Absent if the
   * policy sets one, QEMU has no such parameter (before 8.2), or neither side knows its link.
   */
  linkBytesPerSecond: z.number().positive().optional(),
  /** Bytes of disks that are copied at most, and the time that takes at the link's rate or the cap. */
  diskBytes: z.number().nonnegative().optional(),
  diskMs: z.number().nonnegative().optional(),
  /** Measured minus expected downtime, ms; after the migration. */
  errorMs: z.number().optional(),
});
export type Prediction = z.infer<typeof Prediction>;

/** A time in which the guest stood still on the source before the switchover. Host clock, ms. */
export const Standstill = z.strictObject({
  sinceMs: z.number(),
  untilMs: z.number().optional(),
  reason: z.string(),
});
export type Standstill = z.infer<typeof Standstill>;

/** How many standstills the record keeps; the timeline has all of them. */
export const STANDSTILLS_MAX = 20;

/** Where the guest is after the end, and in which state. */
export const EndState = z.strictObject({
  host: HostId,
  state: VmState,
  /** QEMU's run state; absent without a process, or if it was never reported. */
  runState: z.string().optional(),
});
export type EndState = z.infer<typeof EndState>;

/** The record of one migration. */
export const Migration = z.strictObject({
  id: MigrationId,
  vm: VmId,
  source: HostId,
  target: HostId,
  policy: MigrationPolicy,
  epoch: z.int().positive(),
  status: MigrationStatus,
  phase: Phase,
  /** Phases entered so far, by the cloud's clock; a phase ends when the next begins. */
  phases: z.array(z.strictObject({ name: Phase, startedAt: instant })),
  /** While it waits for its turn; only in the answer for one migration. */
  queue: Queue.optional(),
  agreement: Agreement.optional(),
  /** How the machines of both sides differ; compared before the stream begins. */
  twinCheck: TwinCheck.optional(),
  ack: z
    .strictObject({
      mode: AckMode,
      evidence: AckEvidence.optional(),
      pendingDevices: z.array(z.string()),
      ackedAtMs: z.number().optional(),
    })
    .optional(),
  gate: Gate.optional(),
  prediction: Prediction.optional(),
  /** The newest limit set while it runs, B/s; 0 is unlimited; absent: the policy's. */
  maxBandwidthBytesPerSecond: z.int().nonnegative().optional(),
  progress: Progress.optional(),
  /** Rungs of the convergence ladder that were climbed. */
  rungs: z.array(ClimbedRung).optional(),
  /** When postcopy began, host clock, ms since the epoch; from then on nothing can be undone. */
  postcopyAtMs: z.number().optional(),
  /** When QEMU reached these points: host clocks, ms since the epoch. */
  startedAtMs: z.number().optional(),
  stoppedAtMs: z.number().optional(),
  sourceCompletedAtMs: z.number().optional(),
  /** RESUME on the target: absent for a guest that did not run. */
  targetRunningAtMs: z.number().optional(),
  /** QEMU's run state in which the guest was seen on the target. */
  arrivedAs: z.string().optional(),
  /** From STOP on the source to the guest's arrival on the target, by the source's clock, ms. */
  blackoutMs: z.number().nonnegative().optional(),
  /** When the guest stood still before the switchover, and why; the first 20 times. */
  standstills: z.array(Standstill).max(STANDSTILLS_MAX).optional(),
  figures: FinalFigures.optional(),
  /** From spawning the target's QEMU to its QMP being usable, ms. */
  targetStartMs: z.number().nonnegative().optional(),
  /** Where the guest runs after the end; absent before it, and for a guest that does not run. */
  runningOn: HostId.optional(),
  /** Where the guest is after the end; absent when nobody knows, or when no copy is left. */
  endState: EndState.optional(),
  failure: Failure.optional(),
  cancelRequestedAt: instant.optional(),
  /** The migration that was started when this one gave up (ACK policy `proceed`). */
  successor: MigrationId.optional(),
  predecessor: MigrationId.optional(),
  /** The evacuation that has started it. */
  evacuation: EvacuationId.optional(),
  executionArn: z.string().optional(),
  createdAt: instant,
  updatedAt: instant,
  endedAt: instant.optional(),
});
export type Migration = z.infer<typeof Migration>;

/** One line of a migration's timeline. */
export const TimelineEntry = z.strictObject({
  at: instant,
  /** `cloud`, or the host that emitted the event. */
  origin: z.string(),
  type: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type TimelineEntry = z.infer<typeof TimelineEntry>;

/** One progress sample. */
export const Sample = z.strictObject({ at: instant, progress: Progress });
export type Sample = z.infer<typeof Sample>;
