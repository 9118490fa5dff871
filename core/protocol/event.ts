import { z } from "zod";
import { ClimbedRung } from "../convergence/ladder.ts";
import { CommandId, HostId, MigrationId, VmId } from "../id.ts";
import { CommandError } from "./command.ts";

/** Figures of `query-migrate` while a migration runs. */
export const Progress = z.strictObject({
  status: z.string(),
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
  progress: Progress,
});
export type FinalFigures = z.infer<typeof FinalFigures>;

/**
 * How the ACK was observed: `trace`, by a trace event of the target's QEMU; `implied`, by the stop of
 * the guest, which QEMU delays until the ACK.
 */
export const AckEvidence = z.enum(["trace", "implied"]);
export type AckEvidence = z.infer<typeof AckEvidence>;

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
  z.strictObject({ type: z.literal("guest.exited"), vm: VmId, detail: z.string() }),
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
  /** STOP on the source: the downtime begins. */
  z.strictObject({ type: z.literal("migration.stopped"), ...migrationEvent }),
  z.strictObject({
    type: z.literal("migration.source-completed"),
    ...migrationEvent,
    figures: FinalFigures,
    /** The run grant reached the target's agent over the handover link. */
    handedOver: z.boolean(),
  }),
  /** RESUME on the target. */
  z.strictObject({ type: z.literal("migration.target-running"), ...migrationEvent }),
  /** The migration has failed or was cancelled on this side. */
  z.strictObject({
    type: z.literal("migration.failed"),
    ...migrationEvent,
    side: z.enum(["source", "target"]),
    status: z.string(),
    errorDescription: z.string().max(4000),
    /** Present if the agent itself gave up, at the ladder's last rung. */
    code: z.enum(["no-convergence"]).optional(),
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
  events: z.array(AgentEvent).min(1).max(100),
});
export type EventBatch = z.infer<typeof EventBatch>;
