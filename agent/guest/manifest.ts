import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { Climb } from "../../core/convergence/ladder.ts";
import { DefinitionParts } from "../../core/definition/parts.ts";
import { MigrationId, VmId } from "../../core/id.ts";
import { ParameterValue, TlsKind } from "../../core/protocol/probe.ts";
import { CopiedDisk } from "../../core/storage-copy/copied-disk.ts";
import { flushFolder, replaceFile } from "../durable/replace-file.ts";

/** Integers beyond 2^53 are text. */
const Parameters = z.record(z.string(), ParameterValue);

/** What is known of one QEMU process, without the process itself. */
export const ManifestFields = z.strictObject({
  vm: VmId,
  /** The agent did not start this process, and never kills it. */
  adopted: z.boolean(),
  qmpPath: z.string(),
  definition: DefinitionParts,
  /** The guest may run in this process: it was started to run, or has the run grant. */
  permittedToRun: z.boolean(),
  /** `cont` was sent to this process, or may have been. */
  contSent: z.boolean(),
  /** The guest was seen in this process in the run state that it should have. */
  arrived: z.boolean(),
  arrivedAtMs: z.number().optional(),
  /** QEMU refused the last `cont` with these words: the run grant is void. */
  runRefused: z.string().max(4_000).optional(),
  /**
   * Target: images that the agent has made for this process. They are removed with it while its guest
   * has never run. `identity`: the file that was made; absent: it was about to be made.
   */
  images: z
    .array(
      z.strictObject({
        disk: z.string(),
        path: z.string(),
        identity: z.string().optional(),
        notedAtMs: z.number(),
      }),
    )
    .optional(),
  /** The last migration of this process. */
  migration: z
    .strictObject({
      id: MigrationId,
      epoch: z.int().nonnegative(),
      side: z.enum(["source", "target"]),
      /** The migration has ended on this side: nothing is reported or done for it any more. */
      over: z.boolean(),
      /** For reconnecting the handover link; the file is readable by its owner only. */
      handover: z.strictObject({ address: z.string(), port: z.int(), key: z.string() }).optional(),
      /** Source: when "completed" was sent over the handover link, or may have been. */
      saidCompletedAtMs: z.number().optional(),
      /** Source: when the target's agent answered that the guest has arrived. */
      handedOverAtMs: z.number().optional(),
      /** Source: when the guest was given back to it: it hands nothing over any more. */
      returnedAtMs: z.number().optional(),
      /** Target: the guest's clock is set after its arrival. */
      guestClock: z.literal("set").optional(),
      /** QEMU has TLS credentials that must be removed with the migration. */
      tls: TlsKind.optional(),
      /** Source: what watching the migration needs. */
      ackExpected: z.boolean().optional(),
      /** Written by older agents; `runStateBefore` took its place. */
      wasRunning: z.boolean().optional(),
      /**
       * QEMU's run state of the guest before the switchover, in which it has to arrive. Target: absent
       * for a running guest, so that the downtime has no write of the manifest.
       */
      runStateBefore: z.string().optional(),
      /** Source: the guest is not running although it was, and the switchover has not begun. */
      standstill: z.strictObject({ reason: z.string(), sinceMs: z.number() }).optional(),
      downtimeLimitMs: z.number().optional(),
      linkBytesPerSecond: z.number().optional(),
      deadlineAtMs: z.number().optional(),
      silenceMs: z.number().optional(),
      /** The ladder for a stalled migration, and how many of its rungs were climbed. */
      ladder: z.strictObject({ climb: Climb, climbed: z.int().nonnegative() }).optional(),
      /** Postcopy was requested (source), or the guest runs in it (target). */
      postcopy: z
        .strictObject({ active: z.boolean(), pauses: z.int().nonnegative(), paused: z.boolean() })
        .optional(),
      /** Holds until the permit, at `permitAtMs`; lifted once the permit has taken effect. */
      gate: z
        .strictObject({ permitAtMs: z.number().optional(), isLifted: z.literal(true).optional() })
        .optional(),
      /** Agreed values of parameters that change during the migration. */
      agreed: Parameters.optional(),
      /** Of the newest change of the bandwidth limit, which then is in `agreed`. */
      bandwidthRevision: z.int().positive().optional(),
      /**
       * Source: the disks that are copied; `isStarted`: all their jobs have been started.
       */
      copies: z
        .strictObject({
          disks: z.array(
            z.strictObject({
              ...CopiedDisk.pick({ disk: true, sourceNode: true }).shape,
              /** Its image; older agents did not note it. */
              path: z.string().optional(),
            }),
          ),
          /** Their own images, to be removed with the process once the guest has left it. */
          toRemove: z.array(z.strictObject({ path: z.string(), identity: z.string() })).optional(),
          isStarted: z.boolean(),
          /** The switchover also waits for a permit. */
          isGated: z.boolean(),
        })
        .optional(),
      /** Target: the port of its exports, for the disks that the source copies. */
      exportPort: z.int().optional(),
      /** Values of all changed parameters before the migration. */
      before: Parameters.optional(),
      /** Where the migration begins in QEMU's log, bytes. */
      logOffset: z.int().nonnegative().optional(),
      /** Source: where the migration begins in QEMU's output, bytes. */
      outputOffset: z.int().nonnegative().optional(),
    })
    .optional(),
});

/** The durable record of one QEMU process: what a restarted agent needs to reattach it. */
export const Manifest = z.preprocess(
  readOlder,
  ManifestFields.extend({
    pid: z.int().positive(),
    /** Start time of the process in clock ticks since boot: pids are reused. */
    startTicks: z.string(),
    bootId: z.string().optional(),
  }),
);
export type Manifest = z.infer<typeof Manifest>;

/** Older agents had one fact, `everRan`: the run grant was recorded, or the guest has run. */
export function readOlder(input: unknown): unknown {
  if (typeof input !== "object" || input === null || !("everRan" in input)) return input;
  const { everRan, ...rest } = input;
  const { side, over } = Object("migration" in rest ? rest.migration : {});
  const hasArrived = everRan === true && (side !== "target" || over === true);
  return { ...rest, permittedToRun: everRan, contSent: everRan, arrived: hasArrived };
}

const NAME = "guest.json";
/** An empty file beside the manifest: the guest has the run grant, whatever the manifest has. */
const RUN_GRANT = "run-grant";
/** An empty file beside the manifest: "completed" may have been sent, whatever the manifest has. */
const SAID_COMPLETED = "said-completed";

/** A reader finds the old or the new manifest. @throws the file system's error */
export function writeManifest(
  folder: string,
  manifest: Manifest,
  options: { flush?: boolean } = {},
): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(join(folder, NAME), JSON.stringify(manifest), options);
}

/** The folder belongs to no guest of the agent from here on. @throws the file system's error */
export function removeManifest(folder: string): void {
  for (const name of [NAME, RUN_GRANT, SAID_COMPLETED]) rmSync(join(folder, name), { force: true });
  flushFolder(folder);
}

/** Waits until the manifest, as it is now, survives a power failure. It does not block the agent. */
export async function flushManifest(folder: string): Promise<void> {
  for (const path of [join(folder, NAME), folder]) {
    const file = await open(path, "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/**
 * Records the run grant. It is as durable as {@link writeManifest} in a quarter of the time, since it is
 * written in the downtime: ext4 writes out the data of a file before it replaces another, and this one
 * has no data and replaces none.
 */
export function writeRunGrant(folder: string): void {
  closeSync(openSync(join(folder, RUN_GRANT), "w", 0o600));
}

/** As {@link writeRunGrant}, at the source: it is written while the guest is stopped. */
export function writeSaidCompleted(folder: string): void {
  closeSync(openSync(join(folder, SAID_COMPLETED), "w", 0o600));
}

/** A migration that begins has said nothing yet. @throws the file system's error */
export function removeSaidCompleted(folder: string): void {
  rmSync(join(folder, SAID_COMPLETED), { force: true });
}

/** Takes the run grant back; that survives a power failure. @throws the file system's error */
export function removeRunGrant(folder: string): void {
  rmSync(join(folder, RUN_GRANT), { force: true });
  flushFolder(folder);
}

/**
 * Removes the folder of a process that has ended. The manifest goes after all that is not a fact about
 * the guest, and the marks after it: an agent that dies here leaves a folder that the next one knows.
 */
export function removeGuestFolder(folder: string): void {
  if (!existsSync(folder)) return;
  const isFact = (name: string) => [NAME, RUN_GRANT, SAID_COMPLETED].includes(name);
  for (const name of readdirSync(folder).filter((name) => !isFact(name))) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  rmSync(join(folder, NAME), { force: true });
  rmSync(folder, { recursive: true, force: true });
}

/** What {@link removeGuestFolder} leaves when it is interrupted after the manifest. */
export function isRemainder(folder: string): boolean {
  return readdirSync(folder).every((name) => [RUN_GRANT, SAID_COMPLETED].includes(name));
}

/** There is a manifest, readable or not: the folder belongs to a process that may be alive. */
export function hasManifest(folder: string): boolean {
  return existsSync(join(folder, NAME));
}

/** VMs that have a manifest in the run directory, whether it can be read or not. */
export function listManifests(runDir: string): VmId[] {
  if (!existsSync(runDir)) return [];
  return readdirSync(runDir).flatMap((name) => {
    const vm = VmId.safeParse(name);
    return vm.success && hasManifest(join(runDir, name)) ? [vm.data] : [];
  });
}

/** All manifests in the run directory; an unreadable one is reported and left out. */
export function readManifests(
  runDir: string,
  onUnreadable: (folder: string, error: unknown) => void,
): { folder: string; manifest: Manifest }[] {
  if (!existsSync(runDir)) return [];
  return readdirSync(runDir).flatMap((name) => {
    const folder = join(runDir, name);
    if (!hasManifest(folder)) return [];
    try {
      const manifest = Manifest.parse(JSON.parse(readFileSync(join(folder, NAME), "utf8")));
      return [{ folder, manifest: addMarkers(folder, manifest) }];
    } catch (error) {
      onUnreadable(folder, error);
      return [];
    }
  });
}

function addMarkers(folder: string, manifest: Manifest): Manifest {
  const next = { ...manifest };
  if (existsSync(join(folder, RUN_GRANT)) && !next.permittedToRun) {
    next.permittedToRun = true;
    // It was about to be sent.
    next.contSent = true;
  }
  const said = statSync(join(folder, SAID_COMPLETED), { throwIfNoEntry: false });
  if (said && next.migration?.side === "source") {
    next.migration = { saidCompletedAtMs: said.mtimeMs, ...next.migration };
  }
  return next;
}
