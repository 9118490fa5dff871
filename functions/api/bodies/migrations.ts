import * as z from "zod";
import { HostId, VmId } from "../../../core/id.ts";
import { Migration, Sample, TimelineEntry } from "../../../core/migration/migration.ts";
import { Agreement, Blocker } from "../../../core/negotiate/agreement.ts";
import { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import { TwinCheck } from "../../../core/twin/comparison.ts";
import { page } from "./page.ts";

export const NewMigration = z.strictObject({
  vm: VmId,
  target: HostId,
  policy: MigrationPolicy.prefault({}),
});

export const DryRun = z.strictObject({
  dryRun: z.literal(true),
  agreed: z.boolean(),
  agreement: Agreement.optional(),
  blockers: z.array(Blocker),
  /** The target was started, compared with the guest, and ended. */
  twinCheck: TwinCheck.optional(),
  /** Why the machines were not compared: only a migration can. */
  notCompared: z.string().optional(),
});

export const BandwidthLimit = z.strictObject({
  maxBandwidthBytesPerSecond: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
});

/** With its defaults. */
export const CheckedPolicy = z.strictObject({ policy: MigrationPolicy });

export const MigrationPage = page(Migration);

export const SamplePage = page(Sample);

export const Timeline = page(TimelineEntry);
