import * as z from "zod";
import { Climb } from "../convergence/ladder.ts";
import { DefinitionParts } from "../definition/parts.ts";
import { PartId } from "../definition/values.ts";
import { CommandId, HostId, MigrationId, VmId } from "../id.ts";
import { CopiedDisks, DiskNames } from "../storage-copy/copied-disk.ts";
import { AcceptDifferences, Comparison, TwinCheck } from "../twin/comparison.ts";
import { FoundGuests } from "./found-guest.ts";
import { Observation } from "./observation.ts";
import { SourceProbe, TargetProbe, TlsKind } from "./probe.ts";
import { Proposal, ProposalDigest, Proved } from "./proposal.ts";
import { SideSettings } from "./side-settings.ts";
import { KeyId, Signature } from "./signature.ts";

/** Longest address of a migration stream, characters. */
const MIGRATION_URI_MAX = 300;
/** The secret by which the two agents of one migration authenticate each other: 32 bytes, hex. */
const HandoverKey = z.string().regex(/^[0-9a-f]{64}$/);

/** Where the target's agent listens for the source's. */
const Handover = z.strictObject({ address: z.string().max(253), port: z.int().min(1).max(65535) });

/** What an operator may do to a guest that is in no migration. */
export const GuestAction = z.enum(["pause", "resume", "reset", "powerdown"]);
export type GuestAction = z.infer<typeof GuestAction>;

const Started = z.strictObject({
  definition: DefinitionParts,
  pid: z.int().positive(),
  /** QEMU's run state after the start. */
  runState: z.string().max(64).optional(),
});

/**
 * All that the cloud may ask of an agent: a verb, typed arguments, a typed result. There is no raw
 * QMP pass-through. A command is executed at most once; a repeated one gets the recorded answer.
 */
export const verbs = {
  /** Starts a guest from its definition; refused if the host already has a process for the VM. */
  "guest.start": {
    args: z.strictObject({ definition: DefinitionParts }),
    result: Started,
  },
  /**
   * Adopts a running QEMU by its QMP socket. The agent never kills an adopted process. With a digest it
   * is refused when the process is not as it was proposed, or the definition is not proved to be its.
   */
  "guest.adopt": {
    args: z.strictObject({
      definition: DefinitionParts,
      qmpPath: z.string().startsWith("/"),
      digest: ProposalDigest.optional(),
    }),
    result: Started,
  },
  /** Proposes a definition of a running QEMU; changes nothing. */
  "guest.discover": {
    args: z.strictObject({ qmpPath: z.string().startsWith("/") }),
    result: Proposal,
  },
  /** Lists the QEMUs of the host; changes nothing. Its `vm` is the host's name. */
  "host.guests": { args: z.strictObject({}), result: FoundGuests },
  /** Pauses, resumes or resets a guest, or presses its power button; never in a migration. */
  "guest.control": {
    args: z.strictObject({ action: GuestAction }),
    /** QEMU's run state afterwards. */
    result: z.strictObject({ runState: z.string().max(64) }),
  },
  /** Corrects the definition of a guest, once it is proved to be that of the process. */
  "guest.define": {
    args: z.strictObject({
      definition: DefinitionParts,
      acceptDifferences: AcceptDifferences.optional(),
    }),
    result: Proved,
  },
  /**
   * Makes a guest that runs as another definition says: devices and media come and go. Repeated, it
   * does what is left to do.
   */
  "guest.change": {
    args: z.strictObject({
      definition: DefinitionParts,
      /** Opens a tray that the guest has locked. */
      force: z.boolean().optional(),
      acceptDifferences: AcceptDifferences.optional(),
    }),
    result: z.strictObject({
      /** Of devices that the definition leaves to QEMU, by their ids. */
      addresses: z.record(
        PartId,
        z.strictObject({ bus: PartId, addr: z.string().regex(/^[0-9a-f]{1,2}\.[0-7]$/) }),
      ),
      comparison: Comparison,
    }),
  },
  /** Gives up a guest: its process runs on, and its monitor is free. */
  "guest.detach": {
    args: z.strictObject({}),
    result: z.strictObject({ qmpPath: z.string().max(4_096) }),
  },
  /** Ends a guest: `powerdown` asks the guest (ACPI), `quit` ends QEMU at once. */
  "guest.stop": {
    args: z.strictObject({ mode: z.enum(["powerdown", "quit"]) }),
    result: z.strictObject({ stopped: z.literal(true) }),
  },
  "source.probe": {
    args: z.strictObject({
      /** Disks that the migration is to copy: then the guest's disks are reported. */
      copies: DiskNames.optional(),
    }),
    result: SourceProbe,
  },
  /** Also starts the target's QEMU ahead, for a migration; without `target.prepare` it is ended again. */
  "target.probe": {
    args: z.strictObject({ definition: DefinitionParts, copies: DiskNames.optional() }),
    result: TargetProbe,
  },
  /**
   * For a dry run: starts the target's QEMU paused and listens for the source's agent. It is ended by
   * `target.discard`, or by itself.
   */
  "target.rehearse": {
    args: z.strictObject({
      /** Of no record: the two agents of one dry run know each other by it. */
      migrationId: MigrationId,
      definition: DefinitionParts,
      handoverKey: HandoverKey,
      copies: CopiedDisks.optional(),
    }),
    result: z.union([
      z.strictObject({ handover: Handover }),
      /** Why only a migration itself can start it. */
      z.strictObject({ cannot: z.string().max(500) }),
    ]),
  },
  /** For a dry run: compares the guest with the target that was started; changes nothing. */
  "source.rehearse": {
    args: z.strictObject({
      migrationId: MigrationId,
      handover: Handover,
      handoverKey: HandoverKey,
      acceptDifferences: AcceptDifferences.optional(),
    }),
    result: z.strictObject({ twinCheck: TwinCheck }),
  },
  /** Starts the target QEMU paused, sets it up, listens for the stream and for the source's agent. */
  "target.prepare": {
    args: z.strictObject({
      definition: DefinitionParts,
      settings: SideSettings,
      handoverKey: HandoverKey,
      /** Kind of the credentials that the settings name; the agent makes them. */
      tls: TlsKind.optional(),
      /** Capabilities that were asked for and not required: left off where QEMU refuses them. */
      optionalCapabilities: z.array(z.string().max(64)).max(32).optional(),
      /** Disks whose images the agent makes, to be filled by the source. */
      copies: CopiedDisks.optional(),
      /** Address from which the source connects; others on the stream's port are strangers. */
      sourceAddress: z.string().max(64).optional(),
      /** The guest's clock is set after its arrival. */
      guestClock: z.literal("set").optional(),
    }),
    result: z.strictObject({
      /** Capabilities that QEMU refused, with its words. */
      givenUp: z
        .array(z.strictObject({ capability: z.string().max(64), reason: z.string().max(500) }))
        .max(32)
        .optional(),
      /** /proc/sys/kernel/random/boot_id of the host. */
      bootId: z.string().max(64).optional(),
      /** `tcp:address:port` that QEMU listens on. */
      migrationUri: z.string().max(MIGRATION_URI_MAX),
      handover: Handover,
      pid: z.int().positive(),
      /**
       * How long the command waited for QEMU's start, ms: less than the start takes when QEMU was
       * started while the target was probed.
       */
      startMs: z.number().nonnegative(),
    }),
  },
  /** Sets the source up, opens the handover link and starts the migration; returns when it runs. */
  "source.start": {
    args: z.strictObject({
      settings: SideSettings,
      migrationUri: z.string().regex(/^tcp:[^\s]+:\d+$/),
      handover: Handover,
      handoverKey: HandoverKey,
      tls: TlsKind.optional(),
      /** Names of differences between the sides' machines that the policy accepts. */
      acceptDifferences: AcceptDifferences.optional(),
      /** Disks that are copied to the target's images before the switchover. */
      copies: CopiedDisks.optional(),
      /** The agent watches for the ACK. */
      ackExpected: z.boolean(),
      /** Without STOP by then the agent cancels by itself; ms after `migrate`. */
      precopyDeadlineMs: z.int().positive(),
      /** Without a byte of the stream for so long the agent cancels, ms. */
      silenceMs: z.int().positive().optional(),
      /** The agent climbs these rungs by itself when the migration does not converge. */
      climb: Climb.optional(),
      /** The link's bandwidth, B/s: QEMU is set to it after the first pass over RAM. */
      linkBytesPerSecond: z.number().positive().optional(),
      /** Present: the source converges and holds, the guest running, until `source.permit`. */
      gate: z
        .strictObject({
          /** Then the agent opens the gate by itself; ms since the epoch. */
          permitAtMs: z.number().optional(),
        })
        .optional(),
    }),
    result: z.strictObject({ startedAtMs: z.number() }),
  },
  /** Permits the switchover of a source that holds. Repeated, it changes nothing. */
  "source.permit": {
    args: z.strictObject({}),
    result: z.strictObject({ permitted: z.literal(true) }),
  },
  /** Changes the source's limits while it migrates; the highest revision wins. */
  "source.set": {
    args: z.strictObject({
      /** B/s; 0 is unlimited. */
      maxBandwidthBytesPerSecond: z.int().min(0),
      revision: z.int().positive(),
    }),
    /** The limit in force, B/s. */
    result: z.strictObject({ maxBandwidthBytesPerSecond: z.int().min(0) }),
  },
  /** Reports this side's state; changes nothing. */
  "migration.observe": { args: z.strictObject({}), result: Observation },
  /** Cancels the outgoing migration, if there is one, and waits until it is over. */
  "source.cancel": { args: z.strictObject({}), result: Observation },
  /**
   * Lets the target's guest run. Only sent when the source is known to have completed or exited. A
   * guest that was paused before the migration stays paused.
   */
  "target.resume": {
    args: z.strictObject({
      /** QEMU's run state of the guest before the switchover: the one in which it must arrive. */
      runState: z.string().max(64).default("running"),
    }),
    result: Observation,
  },
  /** Lets the source's guest run again. Only sent when no other copy exists. */
  "source.resume": { args: z.strictObject({}), result: Observation },
  /** After a break in postcopy: the target listens for a new connection. */
  "target.recover": {
    args: z.strictObject({}),
    result: z.strictObject({
      /** `tcp:address:port`; null if the target is not paused, so that nothing is broken. */
      migrationUri: z.string().max(MIGRATION_URI_MAX).nullable(),
    }),
  },
  /** After a break in postcopy: the source connects again; returns when both sides continue. */
  "source.recover": {
    args: z.strictObject({ migrationUri: z.string().max(MIGRATION_URI_MAX).nullable() }),
    result: z.strictObject({ status: z.string() }),
  },
  /** Ends the target's process; refused if its guest has ever run. */
  "target.discard": {
    args: z.strictObject({}),
    result: z.strictObject({ discarded: z.literal(true) }),
  },
  /** Ends the finished source process; refused unless its migration has completed. */
  "source.discard": {
    args: z.strictObject({}),
    result: z.strictObject({ discarded: z.literal(true) }),
  },
} as const;

export type Verb = keyof typeof verbs;
export type ArgsOf<V extends Verb> = z.infer<(typeof verbs)[V]["args"]>;
export type ResultOf<V extends Verb> = z.infer<(typeof verbs)[V]["result"]>;

export const Verb = z.enum(Object.keys(verbs) as [Verb, ...Verb[]]);

/** What a command asks of which host, and until when. Its id is used once. */
export const Command = z.strictObject({
  id: CommandId,
  /** The audience: no other host takes it. */
  host: HostId,
  /** Of a command about the whole host (`host.…`): the host's name. */
  vm: VmId,
  migrationId: MigrationId.optional(),
  /** The epoch of the VM's lock; an agent refuses one lower than it has seen for this VM. */
  epoch: z.int().nonnegative(),
  verb: Verb,
  args: z.unknown(),
  issuedAt: z.iso.datetime(),
  /** From then on the command must not be started. */
  expiresAt: z.iso.datetime(),
});
export type Command = z.infer<typeof Command>;

/** A command as sent to the host's queue: signed by the control plane. */
export const CommandEnvelope = z.strictObject({
  version: z.literal(2),
  command: Command,
  /** The key that has signed it. */
  keyId: KeyId,
  /** Of {@link commandText}. */
  signature: Signature,
});
export type CommandEnvelope = z.infer<typeof CommandEnvelope>;

/**
 * The text of a command that is signed. Both sides make it from what JSON.parse returns, before a
 * schema has read it: so it does not depend on what a version knows.
 */
export function commandText(command: unknown): string {
  return `switchyard-command-1\n${JSON.stringify(command)}`;
}

/** Why a command was not executed. `code` is for programs, `message` for people. */
export const CommandError = z.strictObject({
  code: z.enum([
    "refused", // the agent's own rules forbid it in this state
    "differs", // the two sides' machines are not the same
    "stale-epoch", // a newer migration holds this VM
    "expired", // arrived after expiresAt
    "invalid", // args do not fit the verb
    "not-found", // no such guest here
    "qemu", // QEMU refused it, or exited
    "timeout", // QEMU did not answer in time
    "internal",
  ]),
  message: z.string().max(4000),
});
export type CommandError = z.infer<typeof CommandError>;
