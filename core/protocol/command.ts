import { z } from "zod";
import { Climb } from "../convergence/ladder.ts";
import { CommandId, HostId, MigrationId, VmId } from "../id.ts";
import { VmDefinition } from "../vm.ts";
import { Observation } from "./observation.ts";
import { SourceProbe, TargetProbe, TlsKind } from "./probe.ts";
import { SideSettings } from "./side-settings.ts";

/** Where the two agents of one migration meet, and the secret that lets them in (32 bytes, hex). */
const HandoverKey = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * All that the cloud may ask of an agent. There is no raw QMP pass-through: a verb, typed arguments,
 * a typed result. A command is carried out at most once; a repeated one gets the recorded answer.
 */
export const verbs = {
  /** Starts a guest from its definition. Refused when the host already has a process for the VM. */
  "guest.start": {
    args: z.strictObject({ definition: VmDefinition }),
    result: z.strictObject({ definition: VmDefinition, pid: z.int().positive() }),
  },
  /** Takes over a running QEMU by its QMP socket. The agent never kills a process it adopted. */
  "guest.adopt": {
    args: z.strictObject({ definition: VmDefinition, qmpPath: z.string().startsWith("/") }),
    result: z.strictObject({ definition: VmDefinition, pid: z.int().positive() }),
  },
  /** Ends a guest: `powerdown` asks it (ACPI), `quit` ends QEMU at once. */
  "guest.stop": {
    args: z.strictObject({ mode: z.enum(["powerdown", "quit"]) }),
    result: z.strictObject({ stopped: z.literal(true) }),
  },
  "source.probe": { args: z.strictObject({}), result: SourceProbe },
  "target.probe": { args: z.strictObject({ definition: VmDefinition }), result: TargetProbe },
  /** Starts the target QEMU paused, sets it up, listens for the stream and for the source's agent. */
  "target.prepare": {
    args: z.strictObject({
      definition: VmDefinition,
      settings: SideSettings,
      handoverKey: HandoverKey,
      /** The agent makes the credentials that the settings name. */
      tls: TlsKind.optional(),
    }),
    result: z.strictObject({
      /** `tcp:address:port` that QEMU really listens on. */
      migrationUri: z.string(),
      handover: z.strictObject({ address: z.string(), port: z.int().min(1).max(65535) }),
      pid: z.int().positive(),
      /** From spawning QEMU to its QMP being usable, ms. */
      startMs: z.number().nonnegative(),
    }),
  },
  /** Sets the source up, opens the handover link, starts the migration. Returns when QEMU runs it. */
  "source.start": {
    args: z.strictObject({
      settings: SideSettings,
      migrationUri: z.string().regex(/^tcp:[^\s]+:\d+$/),
      handover: z.strictObject({ address: z.string(), port: z.int().min(1).max(65535) }),
      handoverKey: HandoverKey,
      tls: TlsKind.optional(),
      /** True when an ACK is expected: the agent then watches for it. */
      ackExpected: z.boolean(),
      /** The agent cancels by itself when STOP has not come by then, ms after `migrate`. */
      precopyDeadlineMs: z.int().positive(),
      /** What to do, by itself, when the migration does not converge. */
      climb: Climb.optional(),
      /** What the link gives, B/s: QEMU is told after the first pass over RAM. */
      linkBytesPerSecond: z.number().positive().optional(),
      /** Present: converge and hold, the guest running, until `source.permit`. */
      gate: z
        .strictObject({
          /** The agent releases by itself then, ms since the epoch. */
          permitAtMs: z.number().optional(),
        })
        .optional(),
    }),
    result: z.strictObject({ startedAtMs: z.number() }),
  },
  /** Gives leave to switch over to a source that holds. Given again it changes nothing. */
  "source.permit": {
    args: z.strictObject({}),
    result: z.strictObject({ permitted: z.literal(true) }),
  },
  /** Changes the source's limits while it migrates; the highest revision is the one that counts. */
  "source.set": {
    args: z.strictObject({
      /** 0 is unlimited. */
      maxBandwidthBytesPerSecond: z.int().min(0),
      revision: z.int().positive(),
    }),
    /** The limit that counts now. */
    result: z.strictObject({ maxBandwidthBytesPerSecond: z.int().min(0) }),
  },
  /** Reports what this end sees; changes nothing. */
  "migration.observe": { args: z.strictObject({}), result: Observation },
  /** Cancels an outgoing migration if there is one and waits for the end of it. */
  "source.cancel": { args: z.strictObject({}), result: Observation },
  /**
   * Makes the target's copy the one: only sent when the source is known to have completed or to be
   * gone. A guest that was paused before the migration stays paused.
   */
  "target.resume": {
    args: z.strictObject({ wasRunning: z.boolean().default(true) }),
    result: Observation,
  },
  /** Lets the source's guest run again: only sent when no other copy exists. */
  "source.resume": { args: z.strictObject({}), result: Observation },
  /** After a break in postcopy: listens for a new connection of the source. */
  "target.recover": {
    args: z.strictObject({}),
    result: z.strictObject({
      /** `tcp:address:port`; null when the target is not paused: nothing is broken. */
      migrationUri: z.string().nullable(),
    }),
  },
  /** After a break in postcopy: connects again, and returns when both ends go on. */
  "source.recover": {
    args: z.strictObject({ migrationUri: z.string().nullable() }),
    result: z.strictObject({ status: z.string() }),
  },
  /** Ends the target's process; refused when its guest has ever run. */
  "target.discard": {
    args: z.strictObject({}),
    result: z.strictObject({ discarded: z.literal(true) }),
  },
  /** Ends the finished source process; refused unless its migration completed. */
  "source.discard": {
    args: z.strictObject({}),
    result: z.strictObject({ discarded: z.literal(true) }),
  },
} as const;

export type Verb = keyof typeof verbs;
export type ArgsOf<V extends Verb> = z.infer<(typeof verbs)[V]["args"]>;
export type ResultOf<V extends Verb> = z.infer<(typeof verbs)[V]["result"]>;

export const Verb = z.enum(Object.keys(verbs) as [Verb, ...Verb[]]);

/** A command as it travels on the host's queue. Signatures will be added beside `command`. */
export const CommandEnvelope = z.strictObject({
  version: z.literal(1),
  command: z.strictObject({
    id: CommandId,
    host: HostId,
    vm: VmId,
    migrationId: MigrationId.optional(),
    /** The epoch of the VM's lock; an agent refuses one older than it has seen for this VM. */
    epoch: z.int().nonnegative(),
    verb: Verb,
    args: z.unknown(),
    issuedAt: z.iso.datetime(),
    /** After this the command must not be started any more. */
    expiresAt: z.iso.datetime(),
  }),
});
export type CommandEnvelope = z.infer<typeof CommandEnvelope>;
export type Command = CommandEnvelope["command"];

/** Why a command was not carried out. `code` decides, `message` is for people. */
export const CommandError = z.strictObject({
  code: z.enum([
    "refused", // the agent's own rules forbid it in this state
    "stale-epoch", // a newer migration holds this VM
    "expired", // arrived after expiresAt
    "invalid", // args do not fit the verb
    "not-found", // no such guest here
    "qemu", // QEMU said no, or died
    "timeout", // QEMU did not answer in time
    "internal",
  ]),
  message: z.string().max(4000),
});
export type CommandError = z.infer<typeof CommandError>;
