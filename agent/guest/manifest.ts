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

/** The agent's durable memory of one QEMU process: enough to take it over again after a restart. */
export const Manifest = z.strictObject({
  vm: VmId,
  /** Taken over, not started: the agent never kills it. */
  adopted: z.boolean(),
  pid: z.int().positive(),
  /** Start time of the process in clock ticks since boot: pids are reused. */
  startTicks: z.string(),
  bootId: z.string().optional(),
  qmpPath: z.string(),
  definition: VmDefinition,
  /** The guest has run in this process, or the run grant has been written down. */
  everRan: z.boolean(),
  /** The last migration this process took part in. */
  migration: z
    .strictObject({
      id: MigrationId,
      epoch: z.int().nonnegative(),
      side: z.enum(["source", "target"]),
      /** Nothing more is to be reported or done for it. */
      over: z.boolean(),
      /** Needed to take up the handover link again; the file is readable by its owner only. */
      handover: z.strictObject({ address: z.string(), port: z.int(), key: z.string() }).optional(),
      /** Credentials were made in QEMU, and must not outlive the migration. */
      tls: TlsKind.optional(),
      /** Source: what is needed to go on watching. */
      ackExpected: z.boolean().optional(),
      wasRunning: z.boolean().optional(),
      downtimeLimitMs: z.number().optional(),
      linkBytesPerSecond: z.number().optional(),
      deadlineAtMs: z.number().optional(),
      /** What is climbed when it stalls, and how many rungs have been. */
      ladder: z.strictObject({ climb: Climb, climbed: z.int().nonnegative() }).optional(),
      /** Postcopy was asked for (source), or the guest runs in it (target); whether it is active, and its pauses. */
      postcopy: z
        .strictObject({ active: z.boolean(), pauses: z.int().nonnegative(), paused: z.boolean() })
        .optional(),
      /** Holds until it is permitted, at `permitAtMs`; lifted once that is carried out. */
      gate: z
        .strictObject({ permitAtMs: z.number().optional(), isLifted: z.literal(true).optional() })
        .optional(),
      /** Parameters as agreed that are changed underway, and all changed ones as they were before. */
      agreed: Parameters.optional(),
      /** Of the newest change of the bandwidth limit, which is among the agreed ones then. */
      bandwidthRevision: z.int().positive().optional(),
      before: Parameters.optional(),
      /** Where this migration begins in QEMU's log. */
      logOffset: z.int().nonnegative().optional(),
    })
    .optional(),
});
export type Manifest = z.infer<typeof Manifest>;

const NAME = "guest.json";
/** An empty file beside it: `everRan`, whatever the manifest says. */
const RUN_GRANT = "run-grant";

/** A reader finds the old or the new manifest. @throws the file system's error */
export function writeManifest(folder: string, manifest: Manifest): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(join(folder, NAME), JSON.stringify(manifest));
}

/**
 * Durable as {@link writeManifest}, at a quarter of its time: a new file without contents has no old
 * one to take the place of, which ext4 writes out first. It is written in the downtime.
 */
export function writeRunGrant(folder: string): void {
  closeSync(openSync(join(folder, RUN_GRANT), "w", 0o600));
}

/** There is one, readable or not: the folder belongs to a process that may be alive. */
export function hasManifest(folder: string): boolean {
  return existsSync(join(folder, NAME));
}

/** All manifests under the run directory; an unreadable one is reported, not guessed at. */
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
