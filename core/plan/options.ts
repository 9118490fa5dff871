import * as z from "zod";
import { HostId } from "../id.ts";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { STREAM_BYTES_PER_SECOND } from "./stream-rate.ts";

const ms = z.number().nonnegative();

/** A policy for many VMs. */
export const FleetPolicy = MigrationPolicy.refine(({ storage }) => storage === undefined, {
  path: ["storage"],
  error: "expected none: it names disks of one VM; say it in the rules of each VM (`storage`)",
});

/** What to empty, and under which limits. Everything but `empty` has a default. */
export const PlanOptions = z.strictObject({
  /** Hosts to be emptied; they take no guests, unless they are returned before (`returnAfterMs`). */
  empty: z.array(HostId).min(1),
  /** How each migration is done: the policy that negotiation gets. */
  policy: FleetPolicy.prefault({}),
  /** Rate of one migration, B/s; less where a link is slower. 10 Gbit/s by default. */
  streamBytesPerSecond: z.number().positive().default(STREAM_BYTES_PER_SECOND),
  /** Assumed for a link whose speed nobody knows, B/s. 1 Gbit/s by default; the plan says so. */
  unknownLinkBytesPerSecond: z.number().positive().default(1.25e8),
  /** Assumed until a VM's first migration: B/s, and share of its memory; the plan says so. */
  unknownDirtyBytesPerSecond: z
    .number()
    .nonnegative()
    .default(32 * 2 ** 20),
  unknownWorkingSetShare: z.number().min(0).max(1).default(0.1),
  /** Assumed of a disk that moves with its guest and has not been asked about; the plan says so. */
  unknownDiskBytes: z
    .int()
    .nonnegative()
    .default(20 * 2 ** 30),
  /** Assumed time to prepare and to finish one migration, ms. */
  prepareMs: ms.default(3_000),
  finishMs: ms.default(0),
  /**
   * Migrations of a host that are being prepared, or wait prepared, beside those in transfer: each
   * holds memory on its target. At least its slots; 3 × slots + 2 by default.
   */
  prepareAhead: z.int().min(1).max(256).optional(),
  /** Share of the memory of each host that takes guests which is kept free, 0 to below 1. */
  keepFreeShare: z.number().min(0).lt(1).default(0),
  /** The guests of any one host that is not emptied must fit on the others afterwards. */
  keepNPlusOne: z.boolean().default(false),
  /**
   * A host that is emptied comes back so long after, ms (maintenance), and may take guests then.
   * Absent: it does not come back within this plan.
   */
  returnAfterMs: ms.optional(),
  /** Hosts that are emptied first; no other begins before all of them are empty. */
  canaryHosts: z.int().min(0).default(0),
  /** Then so many hosts, each number when the ones before it are empty. */
  ramp: z.array(z.int().min(1)).max(20).default([]),
  /** Then so many at once, the next one as soon as one is empty; 0: all. */
  hostsAtOnce: z.int().min(0).default(0),
  /** Migrations of one tenant that may send at once, by tenant; as many more may be prepared. */
  tenantLimits: z.record(z.string(), z.int().min(1)).default({}),
  /** Migrations that may fail before no other is started. Carried out by the evacuation, not here. */
  errorBudget: z.int().min(0).optional(),
  /** The evacuation should be over by then, ms from its start. */
  deadlineMs: ms.optional(),
  /** Length of the window, ms: a VM that takes longer than this cannot be moved in it. */
  windowMs: ms.optional(),
  /**
   * Windows over which the plan is spread, ms from its beginning, in order: nothing starts that would
   * not end in its window. Absent: any time will do.
   */
  windows: z
    .array(
      z
        .strictObject({ startMs: ms, endMs: ms })
        .refine(({ startMs, endMs }) => startMs < endMs, "expected `endMs` after `startMs`"),
    )
    .min(1)
    .max(1_000)
    .optional(),
});
export type PlanOptions = z.infer<typeof PlanOptions>;
