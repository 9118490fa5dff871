import * as z from "zod";
import { MigrationId } from "./id.ts";

const bytes = z.number().nonnegative();

/** How the guest used its memory during one migration, as its source observed it. */
export const MemoryUse = z.strictObject({
  /** Rate at which the guest dirtied memory, B/s: the mean of QEMU's figure over the passes. */
  dirtyBytesPerSecond: bytes.optional(),
  /** The most memory that was dirty at once after the first pass. */
  workingSetBytes: bytes.optional(),
  /** What the first pass sent: pages of zeros are not sent. */
  firstPassBytes: bytes.optional(),
});
export type MemoryUse = z.infer<typeof MemoryUse>;

/** What earlier migrations of a VM have shown. */
export const LearnedFigures = z.strictObject({
  ...MemoryUse.shape,
  /** Longest load time of its devices on the target, ms. */
  loadMs: z.number().nonnegative().optional(),
  /** From the start of preparing to the moment in which the transfer could begin, ms. */
  prepareMs: z.number().nonnegative().optional(),
});
export type LearnedFigures = z.infer<typeof LearnedFigures>;

/** The same in a VM's record. A figure that the newest migration did not show is an older one's. */
export const VmLearned = z.strictObject({
  ...LearnedFigures.shape,
  /** The newest migration that it was learned from, and when that ended. */
  migration: MigrationId,
  at: z.iso.datetime(),
});
export type VmLearned = z.infer<typeof VmLearned>;
