import { z } from "zod";
import { ClimbedRung } from "../convergence/ladder.ts";
import { HostId, MigrationId, VmId } from "../id.ts";
import { AckMode, Agreement } from "../negotiate/agreement.ts";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { AckEvidence, FinalFigures, Progress } from "../protocol/event.ts";

/** In the order they happen; the way back may begin after any of the forward ones. */
export const forwardPhases = [
  "admit",
  "probe",
  "negotiate",
  "prepare",
  "precopy",
  "await-ack",
  "switchover",
  "confirm",
] as const;
export const wayBackPhases = ["reconcile", "undo", "end"] as const;

/** In place of a way back once postcopy has begun: there is none. */
export const recoveryPhases = ["postcopy"] as const;

export const Phase = z.enum([...forwardPhases, ...wayBackPhases, ...recoveryPhases]);
export type Phase = z.infer<typeof Phase>;

export const MigrationStatus = z.enum([
  "running",
  "completed",
  "failed",
  "cancelled",
  /** Nobody can say where the guest runs without a person; nothing is touched. */
  "unknown",
]);
export type MigrationStatus = z.infer<typeof MigrationStatus>;

/**
 * Legal next phases. `reconcile` may go on to `confirm`: the migration had in fact completed. From
 * `precopy` a workflow goes on to the first phase that is not over already.
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
 * All phases of a migration that has completed. Those that were over before the workflow came to
 * them begin when the hosts say so: the wait for the ACK, which the guest's stop ends, and the
 * switchover with the stop; the confirmation with the source's completion. A host's clock moves no
 * phase out of its order. A migration that was on a way back is left as it is.
 */
export function allPhases(
  entered: readonly Entered[],
  told: { stoppedAtMs?: number | undefined; sourceCompletedAtMs?: number | undefined },
  nowMs: number,
): Entered[] {
  if (entered.some(({ name }) => !isForward(name))) return [...entered];
  const times: Partial<Record<Phase, number | undefined>> = {
    "await-ack": told.stoppedAtMs,
    switchover: told.stoppedAtMs,
    confirm: told.sourceCompletedAtMs,
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

export function isFinal(status: MigrationStatus): boolean {
  return status !== "running";
}

/** Why a migration did not complete. */
export const Failure = z.strictObject({
  code: z.string().regex(/^[a-z0-9-]+$/),
  message: z.string(),
  /** What state things are in now. */
  state: z.string(),
  /** What to do about it. */
  cure: z.string(),
  phase: Phase,
});
export type Failure = z.infer<typeof Failure>;

const instant = z.iso.datetime();

export const Gate = z.strictObject({
  /** `gated`: asked for; `budget`: the learned load time breaks the downtime budget. */
  reason: z.enum(["gated", "budget"]),
  /** Leave was given; by an operator, by time, or by its group being ready. */
  permittedAt: instant.optional(),
  permittedBy: z.enum(["operator", "time", "group"]).optional(),
  /** Host clock, ms since the epoch. */
  heldAtMs: z.number().optional(),
  openedAtMs: z.number().optional(),
});
export type Gate = z.infer<typeof Gate>;

export const Prediction = z.strictObject({
  /** Expected downtime, ms: the downtime limit given to QEMU at most, plus the devices' load time. */
  downtimeMs: z.number().nonnegative(),
  /** Load time learned from earlier moves, ms; 0 when none is known. */
  loadMs: z.number().nonnegative(),
  /** Where the load time was learned, e.g. `vm web1` or `mdev mtty-1`; absent when none is known. */
  learnedFrom: z.string().optional(),
  /**
   * What the slower link gives, B/s: QEMU is told after the first pass over RAM. Absent when the
   * policy has a figure of its own, QEMU takes none (before 8.2), or nobody knows.
   */
  linkBytesPerSecond: z.number().positive().optional(),
  /** Real minus expected downtime, ms; after the move. */
  errorMs: z.number().optional(),
});
export type Prediction = z.infer<typeof Prediction>;

export const Migration = z.strictObject({
  id: MigrationId,
  vm: VmId,
  source: HostId,
  target: HostId,
  policy: MigrationPolicy,
  epoch: z.int().positive(),
  status: MigrationStatus,
  phase: Phase,
  /** Entered phases with the cloud's clock; a phase ends when the next begins. */
  phases: z.array(z.strictObject({ name: Phase, startedAt: instant })),
  agreement: Agreement.optional(),
  ack: z
    .strictObject({
      mode: AckMode,
      evidence: AckEvidence.optional(),
      pendingDevices: z.array(z.string()),
      ackedAtMs: z.number().optional(),
    })
    .optional(),
  /** Holding switchover while the guest runs. */
  gate: Gate.optional(),
  /** What the downtime was expected to be before it happened. */
  prediction: Prediction.optional(),
  /** The newest limit that was asked for while it runs, B/s, 0 is unlimited; absent: the policy's. */
  maxBandwidthBytesPerSecond: z.int().nonnegative().optional(),
  progress: Progress.optional(),
  /** Rungs of the convergence ladder that were climbed. */
  rungs: z.array(ClimbedRung).optional(),
  /** Postcopy was begun: no way back from there. Host clock, ms since the epoch. */
  postcopyAtMs: z.number().optional(),
  /** Host clocks, ms since the epoch: when QEMU did these things. */
  startedAtMs: z.number().optional(),
  stoppedAtMs: z.number().optional(),
  sourceCompletedAtMs: z.number().optional(),
  targetRunningAtMs: z.number().optional(),
  figures: FinalFigures.optional(),
  /** From spawning the target's QEMU to its QMP being usable, ms. */
  targetStartMs: z.number().nonnegative().optional(),
  /** Where the guest runs after the end; absent while running and when unknown. */
  runningOn: HostId.optional(),
  failure: Failure.optional(),
  cancelRequestedAt: instant.optional(),
  /** The migration that goes on after this one gave up (ACK policy `proceed`). */
  successor: MigrationId.optional(),
  predecessor: MigrationId.optional(),
  executionArn: z.string().optional(),
  createdAt: instant,
  updatedAt: instant,
  endedAt: instant.optional(),
});
export type Migration = z.infer<typeof Migration>;

/** One line of a migration's timeline. */
export const TimelineEntry = z.strictObject({
  at: instant,
  /** `cloud` or the host that told it. */
  origin: z.string(),
  type: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type TimelineEntry = z.infer<typeof TimelineEntry>;

/** One progress sample. */
export const Sample = z.strictObject({ at: instant, progress: Progress });
export type Sample = z.infer<typeof Sample>;
