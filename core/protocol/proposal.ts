import * as z from "zod";
import { DefinitionParts } from "../definition/parts.ts";
import { IMPORT_NOTES_MAX, ImportNote } from "../import/note.ts";
import { Comparison } from "../twin/comparison.ts";

/** Names one state of one process: SHA-256 of what was proposed, hex. */
export const ProposalDigest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "expected the 64 hex digits of a proposal's `digest`");

/** A definition that was compared with a running guest. */
export const Proved = z.strictObject({
  definition: DefinitionParts,
  /** The running guest (source) beside a QEMU of the definition (target). */
  comparison: Comparison,
  /** What was not compared, and why. */
  notCompared: z.string().max(2_000).optional(),
});
export type Proved = z.infer<typeof Proved>;

/** The definition of a QEMU that runs, as its agent has found it; nothing has been adopted. */
export const Proposal = z.strictObject({
  definition: DefinitionParts,
  /** What an adoption by this proposal names. */
  digest: ProposalDigest,
  pid: z.int().positive(),
  /** What became of the command line's options, and what was plugged in or out since. */
  notes: z.array(ImportNote).max(2 * IMPORT_NOTES_MAX),
  /**
   * The running guest (source) beside a QEMU that was started from the definition and ended again
   * (target). Absent where `notCompared` has the reason.
   */
  comparison: Comparison.optional(),
  /** What was not compared, and why. */
  notCompared: z.string().max(2_000).optional(),
});
export type Proposal = z.infer<typeof Proposal>;
