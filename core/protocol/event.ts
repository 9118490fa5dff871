import * as z from "zod";
import { ClimbedRung } from "../convergence/ladder.ts";
import { CommandId, HostId, MigrationId, VmId } from "../id.ts";
import { TwinCheck } from "../twin/comparison.ts";
import { MemoryUse } from "../vm-learned.ts";
import { CommandError } from "./command.ts";
import { InstanceId } from "./host.ts";

/** Figures of `query-migrate` while a migration runs. */
export const Progress = z.strictObject({
  status: z.string().max(64),
  totalTimeMs: z.number().nonnegative().optional(),
  ramTotalBytes: z.number().nonnegative().optional(),
  ramTransferredBytes: z.number().nonnegative().optional(),
  ramRemainingBytes: z.number().nonnegative().optional(),
  /** RAM and devices; QEMU 11.1 and newer. */
  remainingBytes: z.number().nonnegative().optional(),
  dirtyBytesPerSecond: z.number().nonnegative().optional(),
  dirtySyncCount: z.number().nonnegative().optional(),
  bandwidthBytesPerSecond: z.number().nonnegative().optional(),
  expectedDowntimeMs: z.number().nonnegative().optional(),
  vfioTransferredBytes: z.number().nonnegative().optional(),
  /** Of the disks that are copied: all that was to copy so far, and what is left of it. */
  diskTotalBytes: z.number().nonnegative().optional(),
  diskRemainingBytes: z.number().nonnegative().optional(),
  diskBytesPerSecond: z.number().nonnegative().optional(),
});
export type Progress = z.infer<typeof Progress>;

/** The source's figures after `completed`. */
export const FinalFigures = z.strictObject({
  /** QEMU's own figure, measured on the source: from STOP to the end of the migration. */
  downtimeMs: z.number().nonnegative(),
  totalTimeMs: z.number().nonnegative(),
  setupTimeMs: z.number().nonnegative().optional(),
  /** Sent between STOP and the end; absent where QEMU does not report it. */
  downtimeBytes: z.number().nonnegative().optional(),
  /** Absent: an older agent. */
  memory: MemoryUse.optional(),
  progress: Progress,
});
export type FinalFigures = z.infer<typeof FinalFigures>;

/**
 * How the ACK was observed: `trace`, by a trace event of the target's QEMU; `implied`, by the stop of
 * the guest, which QEMU delays until the ACK.
 */
export const AckEvidence = z.enum(["trace", "implied"]);
export type AckEvidence = z.infer<typeof AckEvidence>;

/**
 * Why an agent ended a migration by itself: the ladder's last rung; no stream after the bounded number
 * of attempts; no byte for longer than the stall rule allows; no answer of the target's host within
 * the switchover; a disk that could not be copied.
 */
export const FAILURE_CODES = [
  "no-convergence",
  "stream-not-started",
  "stream-silent",
  "target-host-silent",
  "disk-not-copied",
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

const migrationEvent = { migrationId: MigrationId, vm: VmId, epoch: z.int().nonnegative() };

/**
 * What agents emit. Events arrive at least once, and in order for each host.
 */
export const EventBody = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("command.completed"),
    commandId: CommandId,
    result: z.unknown(),
  }),
  z.strictObject({ type: z.literal("command.failed"), commandId: CommandId, error: CommandError }),
  /**
   * The guest's run state has changed, or the agent has attached to it. Emitted inside and outside of
   * migrations; `atMs` is the time of QEMU's own event.
   */
  z.strictObject({
    type: z.literal("guest.run-state"),
    vm: VmId,
    /** As query-status reports it, e.g. `running`, `paused`, `suspended`, `io-error`. */
    runState: z.string().max(64),
    /** What QEMU reported beside it, such as `guest-shutdown` or the I/O error's device. */
    reason: z.string().max(500).optional(),
  }),
  z.strictObject({
    type: z.literal("guest.exited"),
    vm: VmId,
    detail: z.string(),
    /** QEMU's SHUTDOWN event, if there was one. */
    shutdown: z.strictObject({ guest: z.boolean(), reason: z.string().max(64) }).optional(),
    /** The guest reported a panic (pvpanic) before. */
    panicked: z.literal(true).optional(),
  }),
  /** The twin check: the machines of both sides were compared, before `migrate`. */
  z.strictObject({ type: z.literal("migration.compared"), ...migrationEvent, ...TwinCheck.shape }),
  /** QEMU accepted `migrate` on the source. */
  z.strictObject({ type: z.literal("migration.started"), ...migrationEvent }),
  /** The newest figures; also the heartbeat of a running migration. */
  z.strictObject({ type: z.literal("migration.progress"), ...migrationEvent, progress: Progress }),
  /** The remaining data fits the downtime limit, or the guest has stopped. */
  z.strictObject({ type: z.literal("migration.converged"), ...migrationEvent }),
  z.strictObject({
    type: z.literal("migration.acked"),
    ...migrationEvent,
    evidence: AckEvidence,
    pending: z.int().nonnegative().optional(),
  }),
  /** How many devices' ACKs are missing, where the target's QEMU counts them. */
  z.strictObject({
    type: z.literal("migration.ack-pending"),
    ...migrationEvent,
    pending: z.int().nonnegative(),
  }),
  /** The source has converged and holds switchover until it is permitted; the guest runs. */
  z.strictObject({ type: z.literal("migration.held"), ...migrationEvent }),
  /** The gate was opened: by a permit, or by the agent at the time given. */
  z.strictObject({
    type: z.literal("migration.gate-opened"),
    ...migrationEvent,
    by: z.enum(["command", "time"]),
  }),
  /** The migration had stalled, so one rung of the ladder was climbed. */
  z.strictObject({ type: z.literal("migration.rung"), ...migrationEvent, ...ClimbedRung.shape }),
  /** QEMU's sending rate has another limit, B/s; 0 is unlimited. */
  z.strictObject({
    type: z.literal("migration.bandwidth-set"),
    ...migrationEvent,
    maxBandwidthBytesPerSecond: z.int().nonnegative(),
  }),
  /** From here on the guest runs on the target, and its memory follows: nothing can be undone. */
  z.strictObject({ type: z.literal("migration.postcopy"), ...migrationEvent }),
  /** The connection broke in postcopy: both sides wait for a new one. Pauses count from 1. */
  z.strictObject({
    type: z.literal("migration.postcopy-paused"),
    ...migrationEvent,
    pause: z.int().positive(),
  }),
  /** A hook of the host has been run for this migration. */
  z.strictObject({
    type: z.literal("migration.hook"),
    ...migrationEvent,
    side: z.enum(["source", "target"]),
    hook: z.enum(["prepare", "preSwitchover", "resumed", "failed"]),
    outcome: z.enum(["succeeded", "failed", "timed-out"]),
    detail: z.string().max(4000),
    durationMs: z.number().nonnegative(),
    /** The beginning of its output. */
    output: z.string().max(4096),
  }),
  /**
   * The guest stands still on the source before the switchover: it is not running, or QEMU does not
   * answer. Emitted within 2 s of its beginning, and once more with `untilMs` when it has ended.
   */
  z.strictObject({
    type: z.literal("migration.standstill"),
    ...migrationEvent,
    /** QEMU's run state, or `silent`. */
    reason: z.string().max(500),
    /** The host's clock, ms since the epoch. */
    sinceMs: z.number().nonnegative(),
    untilMs: z.number().nonnegative().optional(),
  }),
  /** The target's agent replaced its QEMU before the stream had begun; attempts count from 1. */
  z.strictObject({
    type: z.literal("migration.restarted"),
    ...migrationEvent,
    attempt: z.int().min(1).max(20),
    reason: z.string().max(500),
  }),
  /** STOP of the switchover on the source: the downtime begins. */
  z.strictObject({ type: z.literal("migration.stopped"), ...migrationEvent }),
  z.strictObject({
    type: z.literal("migration.source-completed"),
    ...migrationEvent,
    figures: FinalFigures,
    /** The target's agent answered over the handover link that the guest has arrived. */
    handedOver: z.boolean(),
  }),
  /**
   * The source's agent heard over the handover link that the guest has arrived. `blackoutMs`: from
   * STOP on the source to this answer by the source's clock; absent if the guest did not run before.
   */
  z.strictObject({
    type: z.literal("migration.handed-over"),
    ...migrationEvent,
    blackoutMs: z.number().nonnegative().optional(),
  }),
  /**
   * The guest was seen on the target in the run state in which it left the source. `atMs` is RESUME's
   * time for a guest that runs.
   */
  z.strictObject({
    type: z.literal("migration.target-arrived"),
    ...migrationEvent,
    runState: z.string().max(64),
  }),
  /**
   * The guest's clock was set to the target host's, as the policy asks, or could not be. The offsets say
   * how far the guest was ahead before and after, ms; they are right to half a question's time.
   */
  z.strictObject({
    type: z.literal("migration.guest-clock"),
    ...migrationEvent,
    outcome: z.enum(["set", "failed"]),
    beforeMs: z.number().optional(),
    afterMs: z.number().optional(),
    /** Why not. */
    detail: z.string().max(500).optional(),
  }),
  /** QEMU refused to run the guest on the target, in its own words: it is tried again. */
  z.strictObject({
    type: z.literal("migration.run-refused"),
    ...migrationEvent,
    message: z.string().max(4000),
  }),
  /** The migration has failed or was cancelled on this side. */
  z.strictObject({
    type: z.literal("migration.failed"),
    ...migrationEvent,
    side: z.enum(["source", "target"]),
    status: z.string().max(64),
    errorDescription: z.string().max(4000),
    /** Present if the agent itself gave up: why. */
    code: z.enum(FAILURE_CODES).optional(),
  }),
]);
export type EventBody = z.infer<typeof EventBody>;

export const AgentEvent = z.strictObject({
  /** Grows by one with each event of a host, across restarts. */
  seq: z.int().positive(),
  /** The host's clock, ms since the epoch; QEMU's own timestamp where it gives one. */
  atMs: z.number().nonnegative(),
  body: EventBody,
});
export type AgentEvent = z.infer<typeof AgentEvent>;

/** What an agent posts. Signatures will be added beside `events`. */
export const EventBatch = z.strictObject({
  version: z.literal(1),
  host: HostId,
  /** The agent process that posts; absent in agents of before 0.2. */
  instance: InstanceId.optional(),
  /** None: the agent asks whether it is still the newest one. */
  events: z.array(AgentEvent).max(100),
});
export type EventBatch = z.infer<typeof EventBatch>;
