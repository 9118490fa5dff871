import * as z from "zod";
import { Evacuation, EvacuationMove } from "../../../core/evacuation/evacuation.ts";
import { VersionOutline, VersionReason } from "../../../core/evacuation/version.ts";
import { Message, Owner } from "../../../core/host/cordon.ts";
import { HostId, VmId } from "../../../core/id.ts";
import { Blocker } from "../../../core/negotiate/agreement.ts";
import { page } from "./page.ts";

export const EvacuationPage = page(Evacuation);

export const MovePage = page(EvacuationMove);

/** Whoever has the token may name anybody: it is for people to read, and to tell approvers apart. */
export const Acting = z.strictObject({
  by: Owner.default("operator"),
  message: Message.optional(),
});

/** Of the owner of a VM. */
export const Acknowledging = Acting.extend({
  /** The move does not begin before: at most so late as the notice says. */
  notBefore: z.iso.datetime().optional(),
});

export const Approving = z.strictObject({
  version: z.int().positive(),
  by: Owner.default("operator"),
});

/** What the planner has made, as it is: docs/internals/planner.md says what is in it. */
export const PlanDocument = z.looseObject({
  moves: z.array(z.looseObject({ vm: VmId, source: HostId, target: HostId })),
  unplaced: z.array(z.looseObject({ vm: VmId, host: HostId })),
  refusals: z.array(Blocker),
  warnings: z.array(z.string()),
  assumptions: z.array(z.string()),
});

export const EvacuationDryRun = z.strictObject({ dryRun: z.literal(true), plan: PlanDocument });

/** What a rollback would do now. Times are from its start, ms. */
export const RollbackPlan = z.strictObject({
  moves: z.array(z.looseObject({ vm: VmId, source: HostId, target: HostId })),
  /** VMs that would stay where they are, and why they cannot go home. */
  staying: z.array(
    z.strictObject({ vm: VmId, host: HostId, home: HostId, blockers: z.array(Blocker) }),
  ),
  eta: z.strictObject({ ms: z.number(), lowMs: z.number(), highMs: z.number() }),
  lowerBoundMs: z.number(),
});

export const PlanVersion = z.strictObject({
  outline: VersionOutline,
  reason: VersionReason,
  changes: z.array(z.string()),
  at: z.iso.datetime(),
  plan: PlanDocument,
});
