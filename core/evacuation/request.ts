import * as z from "zod";
import { Owner } from "../host/cordon.ts";
import { HostId } from "../id.ts";
import { FleetPolicy, PlanOptions } from "../plan/options.ts";

/** Hosts of one evacuation. */
export const HOSTS_MAX = 100;
const DAY_MS = 86_400_000;

/** Who must approve a version, and by when. */
export const ApprovalRule = z.strictObject({
  /** Persons that must approve the same version. */
  approvers: z.int().min(1).max(5).default(1),
  /** Whoever asked for the plan cannot approve it. */
  otherThanPlanner: z.boolean().default(false),
  /** How long it may be approved, ms. A day by default. */
  deadlineMs: z
    .int()
    .min(1_000)
    .max(30 * DAY_MS)
    .default(DAY_MS),
});
export type ApprovalRule = z.infer<typeof ApprovalRule>;

/** How far a later version may be from the one that a person approved without being approved, too. */
export const Tolerance = z.strictObject({
  /** Its predicted end may be later by this share. */
  endShare: z.number().min(0).max(10).default(0.2),
  /** It may use hosts as targets that the approved version does not use. */
  newTargets: z.boolean().default(false),
  /** It may leave VMs where they are that the approved version moves. */
  newRemainder: z.boolean().default(true),
});
export type Tolerance = z.infer<typeof Tolerance>;

/** What may be changed while it runs. */
export const EvacuationLimits = z.strictObject({
  /** Moves at once, over all hosts; absent: as many as the hosts' slots allow. */
  movesAtOnce: z.int().min(1).max(1_000).optional(),
  /** VMs that may fail; with the next one it pauses. Absent: it does not pause for failures. */
  errorBudget: z.int().min(0).max(100_000).optional(),
  /** Of each migration that starts from now on, B/s; 0 is unlimited; absent: the policy's. */
  maxBandwidthBytesPerSecond: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});
export type EvacuationLimits = z.infer<typeof EvacuationLimits>;

/**
 * Options of the planner that an evacuation takes over. Not among them are those that it could plan
 * with but not carry out: hosts that come back within the plan, and windows; nor the limits of tenants,
 * which are those of the fleet.
 */
export const EvacuationOptions = PlanOptions.omit({
  empty: true,
  policy: true,
  returnAfterMs: true,
  windowMs: true,
  windows: true,
  tenantLimits: true,
  errorBudget: true,
});

/** What `POST /v1/evacuations` takes. */
export const EvacuationRequest = z.strictObject({
  /** Hosts to be emptied. */
  hosts: z
    .array(HostId)
    .min(1)
    .max(HOSTS_MAX)
    .refine((hosts) => new Set(hosts).size === hosts.length, "expected each host once"),
  /** Who plans it. */
  by: Owner.default("operator"),
  /** How each migration is done. */
  policy: FleetPolicy.prefault({}),
  options: EvacuationOptions.prefault({}),
  approval: ApprovalRule.prefault({}),
  tolerance: Tolerance.prefault({}),
  limits: EvacuationLimits.prefault({}),
});
export type EvacuationRequest = z.infer<typeof EvacuationRequest>;

/** What a plan keeps to that is not in its request. */
export type PlanLimits = {
  /** Over which it is spread, ms from now; absent: any time will do. */
  readonly windows?: PlanOptions["windows"];
  readonly tenantLimits?: PlanOptions["tenantLimits"];
};

/** The planner's options of a request, for the hosts that are still to be emptied. */
export function planOptions(
  { policy, options }: Pick<EvacuationRequest, "policy" | "options">,
  empty: readonly HostId[],
  limits: PlanLimits = {},
): PlanOptions {
  return PlanOptions.parse({ ...options, policy, empty, ...limits });
}
