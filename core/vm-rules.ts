import * as z from "zod";
import { LabelChange, Labels } from "./labels.ts";
import { DiskWays } from "./storage-copy/copied-disk.ts";

/** Rules of one VM: each `apart` group is an attribute of its host's record. */
const AFFINITIES_MAX = 8;

const GroupName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    "expected 1 to 63 characters of A-Z, a-z, 0-9, `.`, `_` and `-`, beginning with a letter or a digit",
  );

/** Whose VM it is. */
export const TenantName = GroupName;
export type TenantName = z.infer<typeof TenantName>;

/** VMs that are to share a host (`together`), or are not (`apart`). */
export const Affinity = z.strictObject({
  group: GroupName,
  rule: z.enum(["apart", "together"]),
  /** A preferred rule is given up where it is in the way, and the plan says so. */
  strength: z.enum(["required", "preferred"]).default("required"),
});
export type Affinity = z.infer<typeof Affinity>;

/** It may not be moved off its host. `mayEvacuate`: but it may when the host is emptied. */
export const Pin = z.strictObject({
  by: z.string().min(1).max(200),
  mayEvacuate: z.boolean().default(false),
});

const Affinities = z
  .array(Affinity)
  .max(AFFINITIES_MAX)
  .refine(
    (list) => new Set(list.map(({ group }) => group)).size === list.length,
    "expected each group once",
  );

/** What people say of a VM: where it may run, with which others, and whose it is. */
export const VmRules = z.strictObject({
  labels: Labels.optional(),
  tenant: TenantName.optional(),
  affinities: Affinities.optional(),
  /** Labels that its host must have, or should. */
  requiredLabels: Labels.optional(),
  preferredLabels: Labels.optional(),
  pinned: Pin.optional(),
  /** The control plane runs in it: an evacuation moves nothing else meanwhile. */
  runsControlPlane: z.boolean().optional(),
  /** How its disks that hosts do not share move, in evacuations and wherever a policy names none. */
  storage: DiskWays.optional(),
});
export type VmRules = z.infer<typeof VmRules>;

/** What is absent stays; `null` removes. Lists and required labels are replaced as a whole. */
export const VmRulesChange = z.strictObject({
  labels: LabelChange.optional(),
  tenant: TenantName.nullable().optional(),
  affinities: Affinities.nullable().optional(),
  requiredLabels: Labels.nullable().optional(),
  preferredLabels: Labels.nullable().optional(),
  pinned: Pin.nullable().optional(),
  runsControlPlane: z.boolean().nullable().optional(),
  storage: DiskWays.nullable().optional(),
});
export type VmRulesChange = z.infer<typeof VmRulesChange>;
