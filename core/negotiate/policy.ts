import { z } from "zod";
import { Convergence } from "../convergence/ladder.ts";
import { ParameterValue } from "../protocol/probe.ts";
import { CapabilityWish } from "../qemu/capability-wish.ts";

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
  /**
   * Encryption of the stream. `psk`: with a key of this migration only, nothing to set up; `x509`:
   * with the hosts' certificates (`tls.dir` of each agent's configuration), both ends verified.
   */
  tls: z.enum(["off", "psk", "x509"]).default("off"),
  /**
   * Longest downtime QEMU may plan for, ms (QEMU's `downtime-limit`, 1..2000000). A
   * `downtime-limit` in `parameters` is the same thing and must not differ.
   */
  downtimeLimitMs: z.int().min(1).max(2_000_000).optional(),
  /** What the link gives, B/s: sets `avail-switchover-bandwidth` where QEMU has it (8.2+). */
  switchoverBandwidthBytesPerSecond: z.int().min(1000).max(Number.MAX_SAFE_INTEGER).optional(),
  /**
   * Most that QEMU may send before the switchover, B/s, 0 is unlimited: sets `max-bandwidth`. Can be
   * changed while the migration runs.
   */
  maxBandwidthBytesPerSecond: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  ack: z
    .strictObject({
      /** From the end of precopy (or its first full pass) to the ACK, ms. */
      deadlineMs: z.int().min(1_000).max(86_400_000).default(300_000),
      /**
       * When the ACK has not come by then. `cancel`: the guest stays where it is; `proceed`: that,
       * and a successor migration that goes without the ACK, if its predicted downtime fits the
       * budget; `hold`: wait on, until the ACK comes or a person decides.
       */
      onTimeout: z.enum(["proceed", "cancel", "hold"]).default("cancel"),
    })
    .prefault({}),
  switchover: z
    .strictObject({
      /** `gated`: converge and hold, the guest running, until somebody gives leave. */
      mode: z.enum(["auto", "gated"]).default("auto"),
      /** Gated: leave is given by then at the latest. */
      permitAt: z.iso.datetime().optional(),
      /** Gated: leave is given to all members when the last of them is ready. */
      group: z
        .strictObject({
          name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
          size: z.int().min(1).max(100),
        })
        .optional(),
      /** Gated: held longer than this the migration is cancelled, ms. */
      deadlineMs: z.int().min(1_000).max(604_800_000).default(86_400_000),
    })
    .prefault({}),
  /**
   * Longest downtime that is allowed, ms. What the devices are known to take (learned from earlier
   * moves) is taken off it; what is left is given to QEMU as its downtime limit.
   */
  downtimeBudgetMs: z.int().min(1).max(2_000_000).optional(),
  /** When the learned load time alone breaks the budget: refuse, or converge and hold for leave. */
  onBudgetExceeded: z.enum(["cancel", "hold"]).default("cancel"),
  /** What is done when it does not converge. */
  convergence: Convergence.prefault({}),
  /** From `migrate` to the decision to switch over, ms. */
  precopyDeadlineMs: z.int().min(1_000).max(604_800_000).default(21_600_000),
});
export type MigrationPolicy = z.infer<typeof MigrationPolicy>;
