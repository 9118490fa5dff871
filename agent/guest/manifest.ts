import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Climb } from "../../core/convergence/ladder.ts";
import { MigrationId, VmId } from "../../core/id.ts";
import { ParameterValue, TlsKind } from "../../core/protocol/probe.ts";
import { VmDefinition } from "../../core/vm.ts";
import { replaceFile } from "../durable/replace-file.ts";

/** Integers beyond 2^53 are text. */
const Parameters = z.record(z.string(), ParameterValue);

/** The durable record of one QEMU process: what a restarted agent needs to reattach it. */
export const Manifest = z.strictObject({
  vm: VmId,
  /** The agent did not start this process, and never kills it. */
  adopted: z.boolean(),
  pid: z.int().positive(),
  /** Start time of the process in clock ticks since boot: pids are reused. */
  startTicks: z.string(),
  bootId: z.string().optional(),
  qmpPath: z.string(),
  definition: VmDefinition,
  /** The guest has run in this process, or the run grant was recorded. */
  everRan: z.boolean(),
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
      /** QEMU has TLS credentials that must be removed with the migration. */
      tls: TlsKind.optional(),
      /** Source: what watching the migration needs. */
      ackExpected: z.boolean().optional(),
      wasRunning: z.boolean().optional(),
      downtimeLimitMs: z.number().optional(),
      linkBytesPerSecond: z.number().optional(),
      deadlineAtMs: z.number().optional(),
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
      /** Values of all changed parameters before the migration. */
      before: Parameters.optional(),
      /** Where the migration begins in QEMU's log, bytes. */
      logOffset: z.int().nonnegative().optional(),
    })
    .optional(),
});
export type Manifest = z.infer<typeof Manifest>;

const NAME = "guest.json";
/** An empty file beside the manifest: `everRan` is true, whatever the manifest has. */
const RUN_GRANT = "run-grant";

/** A reader finds the old or the new manifest. @throws the file system's error */
export function writeManifest(folder: string, manifest: Manifest): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(join(folder, NAME), JSON.stringify(manifest));
}

/**
 * Records the run grant. It is as durable as {@link writeManifest} in a quarter of the time, since it is
 * written in the downtime: ext4 writes out the data of a file before it replaces another, and this one
 * has no data and replaces none.
 */
export function writeRunGrant(folder: string): void {
  closeSync(openSync(join(folder, RUN_GRANT), "w", 0o600));
}

/** There is a manifest, readable or not: the folder belongs to a process that may be alive. */
export function hasManifest(folder: string): boolean {
  return existsSync(join(folder, NAME));
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
      const everRan = manifest.everRan || existsSync(join(folder, RUN_GRANT));
      return [{ folder, manifest: { ...manifest, everRan } }];
    } catch (error) {
      onUnreadable(folder, error);
      return [];
    }
  });
}
