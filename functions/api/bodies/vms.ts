import * as z from "zod";
import { DefinitionParts, Device } from "../../../core/definition/parts.ts";
import { PartId, QapiObject } from "../../../core/definition/values.ts";
import { HostId, VmId } from "../../../core/id.ts";
import { IMPORT_NOTES_MAX, ImportNote } from "../../../core/import/note.ts";
import { ProposalDigest } from "../../../core/protocol/proposal.ts";
import { AcceptDifferences } from "../../../core/twin/comparison.ts";
import { Vm, VmDefinition } from "../../../core/vm.ts";
import { VmRules, VmRulesChange } from "../../../core/vm-rules.ts";
import { page } from "./page.ts";

export const NewVm = z.strictObject({
  id: VmId,
  host: HostId,
  /** `discover`: nothing is adopted; the answer is a proposal (with `adopt` only). */
  definition: z.union([VmDefinition, z.literal("discover")]),
  /** The guest runs already: the agent adopts its QEMU by this QMP socket. */
  adopt: z
    .strictObject({
      qmpPath: z.string().startsWith("/").max(107),
      /** Of a proposal: the guest must still be as it was proposed. */
      digest: ProposalDigest.optional(),
    })
    .optional(),
  ...VmRules.shape,
});

/** A correction of a VM's definition, or a change of what people say of it. */
export const VmChange = z
  .strictObject({
    definition: VmDefinition.optional(),
    /** Names of differences from the guest that do no harm in the operator's judgement. */
    acceptDifferences: AcceptDifferences.optional(),
    ...VmRulesChange.shape,
  })
  .superRefine(({ definition, acceptDifferences, ...rules }, context) => {
    const isRules = Object.keys(rules).length > 0;
    const issue = (path: string[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    if (definition === undefined && !isRules) issue([], "expected a field to change");
    if (definition !== undefined && isRules) {
      issue(["definition"], "expected in a request of its own: its host has to compare it first");
    }
    if (definition === undefined && acceptDifferences !== undefined) {
      issue(["acceptDifferences"], "expected with `definition` only");
    }
  });

/** A device for a guest that runs, with the parts that it needs and that are not there yet. */
export const NewDevice = z.strictObject({
  device: Device.refine(({ id }) => PartId.safeParse(id).success, "expected an `id`"),
  blockdevs: DefinitionParts.shape.blockdevs.optional(),
  netdevs: DefinitionParts.shape.netdevs,
  objects: DefinitionParts.shape.objects.optional(),
  acceptDifferences: AcceptDifferences.optional(),
});

/** A medium for a drive. */
export const MediumChange = z.strictObject({
  blockdev: QapiObject.refine(
    (node) => PartId.safeParse(node["node-name"]).success,
    "expected a `node-name`",
  ),
  /** Open the tray also if the guest has locked it. */
  force: z.boolean().default(false),
  acceptDifferences: AcceptDifferences.optional(),
});

export const NewImport = z.strictObject({
  /** Commands of a POSIX shell, one of which is QEMU. */
  commandLine: z.string().min(1).max(131_072),
});

/** A definition, and what became of each option that it does not have as it was given. */
export const Imported = z.strictObject({
  definition: VmDefinition,
  notes: z.array(ImportNote).max(2 * IMPORT_NOTES_MAX),
});

export const VmPage = page(Vm);
