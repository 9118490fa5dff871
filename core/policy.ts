import { z } from "zod";
import { ParameterValue } from "./probe.ts";

/** What a caller says about one capability. */
export const CapabilityWish = z.enum(["ask", "forbid", "require"]);
export type CapabilityWish = z.infer<typeof CapabilityWish>;

/**
 * How to migrate. Everything has a default, so `{}` is a policy. Capability and parameter names are
 * QEMU's; `flags` accepts libvirt's names instead (VIR_MIGRATE_ may be left out).
 */
export const MigrationPolicy = z.strictObject({
  /** `ask`: on if both ends can; `require`: refuse if not; `forbid`: off. */
  capabilities: z.record(z.string(), CapabilityWish).default({}),
  /** Migration parameters, sent to the side(s) that use them. */
  parameters: z.record(z.string(), ParameterValue).default({}),
  /** libvirt's flag names, e.g. LIVE, PEER2PEER, PARALLEL, AUTO_CONVERGE, POSTCOPY, ZEROCOPY. */
  flags: z.array(z.string()).max(40).default([]),
  /** `tunnelled`: the stream goes through the agents; it has no return path. */
  transport: z.enum(["tcp", "tunnelled"]).default("tcp"),
  /**
   * Longest downtime QEMU may plan for, ms (QEMU's `downtime-limit`, 1..2000000). A
   * `downtime-limit` in `parameters` is the same thing and must not differ.
   */
  downtimeLimitMs: z.int().min(1).max(2_000_000).optional(),
  /** What the link gives, B/s: sets `avail-switchover-bandwidth` where QEMU has it (8.2+). */
  switchoverBandwidthBytesPerSecond: z.int().min(1000).max(Number.MAX_SAFE_INTEGER).optional(),
  ack: z
    .strictObject({
      /** From the end of precopy (or its first full pass) to the ACK, ms. */
      deadlineMs: z.int().min(100).max(86_400_000).default(300_000),
    })
    .prefault({}),
  /** From `migrate` to the decision to switch over, ms. */
  precopyDeadlineMs: z.int().min(1_000).max(604_800_000).default(21_600_000),
});
export type MigrationPolicy = z.infer<typeof MigrationPolicy>;
