import { z } from "zod";
import { ClimbedRung } from "../convergence/ladder.ts";
import { CommandId, HostId, MigrationId, VmId } from "../id.ts";
import { CommandError } from "./command.ts";

/** Figures of query-migrate while a migration runs. Bytes; rates in bytes per second. */
export const Progress = z.strictObject({
  status: z.string(),
  totalTimeMs: z.number().nonnegative().optional(),
  ramTotalBytes: z.number().nonnegative().optional(),
  ramTransferredBytes: z.number().nonnegative().optional(),
  ramRemainingBytes: z.number().nonnegative().optional(),
  /** RAM and devices, where QEMU tells (11.1+). */
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
  /** QEMU's own figure: STOP to the end of migration, measured on the source. */
  downtimeMs: z.number().nonnegative(),
  totalTimeMs: z.number().nonnegative(),
  setupTimeMs: z.number().nonnegative().optional(),
  /** Sent between STOP and the end, where QEMU tells. */
  downtimeBytes: z.number().nonnegative().optional(),
  progress: Progress,
});
export type FinalFigures = z.infer<typeof FinalFigures>;

/** How the ACK was seen. `implied`: the guest stopped, which QEMU only does after the ACK. */
export const AckEvidence = z.enum(["trace", "implied"]);
export type AckEvidence = z.infer<typeof AckEvidence>;

const migrationEvent = { migrationId: MigrationId, vm: VmId, epoch: z.int().nonnegative() };

/**
 * What agents tell the cloud. `atMs` is the moment it happened on that host (QEMU's timestamp where
 * QEMU gave one). Events come at least once and in order per host (`seq`).
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
  /** Newest figures only; also the heartbeat of a running migration. */
  z.strictObject({ type: z.literal("migration.progress"), ...migrationEvent, progress: Progress }),
  /** What is left fits the downtime limit, or the guest has stopped. */
  z.strictObject({ type: z.literal("migration.converged"), ...migrationEvent }),
  z.strictObject({
    type: z.literal("migration.acked"),
    ...migrationEvent,
    evidence: AckEvidence,
    pending: z.int().nonnegative().optional(),
  }),
  /** How many devices the target's ACK still waits for, where its QEMU counts them. */
  z.strictObject({
    type: z.literal("migration.ack-pending"),
    ...migrationEvent,
    pending: z.int().nonnegative(),
  }),
  /** The source has all but the last of it over there, and holds for leave; the guest runs. */
  z.strictObject({ type: z.literal("migration.held"), ...migrationEvent }),
  /** The hold was lifted. */
  z.strictObject({
    type: z.literal("migration.gate-opened"),
    ...migrationEvent,
    by: z.enum(["command", "time"]),
  }),
  /** It had stalled: one rung of the ladder was climbed. */
  z.strictObject({ type: z.literal("migration.rung"), ...migrationEvent, ...ClimbedRung.shape }),
  /** Another limit holds for what QEMU may send, B/s; 0 is unlimited. */
  z.strictObject({
    type: z.literal("migration.bandwidth-set"),
    ...migrationEvent,
    maxBandwidthBytesPerSecond: z.int().nonnegative(),
  }),
  /** The guest runs on the target from here on, its memory follows: no way back. */
  z.strictObject({ type: z.literal("migration.postcopy"), ...migrationEvent }),
  /** The connection broke in postcopy: both ends wait for a new one. Pauses count from 1. */
  z.strictObject({
    type: z.literal("migration.postcopy-paused"),
    ...migrationEvent,
    pause: z.int().positive(),
  }),
  /** An executable of the host has been run for this migration. */
  z.strictObject({
    type: z.literal("migration.hook"),
    ...migrationEvent,
    side: z.enum(["source", "target"]),
    hook: z.enum(["prepare", "preSwitchover", "resumed", "failed"]),
    outcome: z.enum(["succeeded", "failed", "timed-out"]),
    detail: z.string().max(4000),
    durationMs: z.number().nonnegative(),
    /** The beginning of what it wrote. */
    output: z.string().max(4096),
  }),
  /** STOP on the source: the downtime begins. */
  z.strictObject({ type: z.literal("migration.stopped"), ...migrationEvent }),
  z.strictObject({
    type: z.literal("migration.source-completed"),
    ...migrationEvent,
    figures: FinalFigures,
    /** The target's agent was told over the handover link. */
    handedOver: z.boolean(),
  }),
  /** RESUME on the target. */
  z.strictObject({ type: z.literal("migration.target-running"), ...migrationEvent }),
  /** This end's part is over and it was not a success. */
  z.strictObject({
    type: z.literal("migration.failed"),
    ...migrationEvent,
    side: z.enum(["source", "target"]),
    status: z.string(),
    errorDescription: z.string().max(4000),
    /** Present when the agent itself gave up: the ladder's last rung. */
    code: z.enum(["no-convergence"]).optional(),
  }),
]);
export type EventBody = z.infer<typeof EventBody>;

export const AgentEvent = z.strictObject({
  /** Grows by one with each event of a host, over restarts. */
  seq: z.int().positive(),
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
