import * as z from "zod";
import { DefinitionParts } from "./definition/parts.ts";
import { referenceProblems } from "./definition/references.ts";
import { sumProblems } from "./definition/sums.ts";
import { HostId, MigrationId, VmId } from "./id.ts";
import { DEFINITION_BYTES_MAX, jsonBytes } from "./size-limits.ts";
import { DiskSizes } from "./storage-copy/copied-disk.ts";
import { VmLearned } from "./vm-learned.ts";
import { VmRules } from "./vm-rules.ts";
import { VmState } from "./vm-state.ts";

/**
 * What a guest is made of. One definition starts the guest on any host, so everything in it must mean
 * the same on each (shared disks, device properties); a placeholder names what differs
 * (host-resources.ts). Values go to QEMU as JSON where it takes that, never through a shell.
 * docs/reference/definition.md has an example of each part.
 */
export const VmDefinition = DefinitionParts.refine(
  (definition) => jsonBytes(definition) <= DEFINITION_BYTES_MAX,
  `expected at most ${DEFINITION_BYTES_MAX} bytes of JSON`,
).superRefine((definition, context) => {
  const problems = [...referenceProblems(definition), ...sumProblems(definition)];
  for (const problem of problems) context.addIssue({ code: "custom", ...problem });
});
export type VmDefinition = z.infer<typeof VmDefinition>;

/** Where a VM runs, and which migration holds it. */
export const Vm = z.strictObject({
  id: VmId,
  definition: DefinitionParts,
  host: HostId,
  /** `running` is a guest that was seen running; `unknown` needs a person. See VmState. */
  state: VmState,
  /** Since when the VM is in this state. */
  stateSince: z.iso.datetime().optional(),
  /** QEMU's run state of the guest, as its host reported it last; absent without a process. */
  runState: z.string().optional(),
  /** Fencing number: grows each time the lock is taken; agents refuse commands of lower ones. */
  epoch: z.int().nonnegative(),
  lockedBy: MigrationId.optional(),
  ...VmRules.shape,
  /** What its migrations have shown: the next plan reads it. */
  learned: VmLearned.optional(),
  /** Disks that a migration or a dry run was to copy, as big as they were then: plans read it. */
  diskSizes: DiskSizes.optional(),
  /** Why it is in this state, where its host or a person gave a reason. */
  detail: z.string().optional(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type Vm = z.infer<typeof Vm>;
