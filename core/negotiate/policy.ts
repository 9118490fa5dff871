import * as z from "zod";
import { Convergence } from "../convergence/ladder.ts";
import { ParameterValue } from "../protocol/probe.ts";
import { CapabilityWish } from "../qemu/capability-wish.ts";
import { DiskWays } from "../storage-copy/copied-disk.ts";
import { AcceptDifferences } from "../twin/comparison.ts";

/**
 * How to migrate. Everything has a default, so `{}` is a policy. Capability and parameter names are
 * QEMU's; `flags` accepts libvirt's names instead (VIR_MIGRATE_ may be left out).
 */
export const MigrationPolicy = z.strictObject({
  /** `ask`: on if both sides support it; `require`: refuse if not; `forbid`: off. */
  capabilities: z.record(z.string(), CapabilityWish).default({}),
  /** Migration parameters, sent to the side(s) that use them. */
  parameters: z.record(z.string(), ParameterValue).default({}),
  /** libvirt's flag names, e.g. LIVE, PEER2PEER, PARALLEL, AUTO_CONVERGE, POSTCOPY, ZEROCOPY. */
  flags: z.array(z.string()).max(40).default([]),
  /**
   * Encryption of the stream. `psk`: with a key of this migration only, nothing to set up; `x509`:
   * with the hosts' certificates (`tls.dir` of each agent's configuration), both sides verified.
   */
  tls: z.enum(["off", "psk", "x509"]).default("off"),
  /**
   * Longest downtime that QEMU may plan for, ms: sets `downtime-limit`, 300 by default. A
   * `downtime-limit` in `parameters` must not differ.
   */
  downtimeLimitMs: z.int().min(1).max(2_000_000).optional(),
  /**
   * Bandwidth of the link at switchover, B/s: sets `avail-switchover-bandwidth` where the source's
   * QEMU has it (8.2 and newer).
   */
  switchoverBandwidthBytesPerSecond: z.int().min(1000).max(Number.MAX_SAFE_INTEGER).optional(),
  /**
   * Limit of QEMU's sending rate before the switchover, B/s; 0 is unlimited, the default: sets
   * `max-bandwidth`. Can be changed while the migration runs.
   */
  maxBandwidthBytesPerSecond: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  ack: z
    .strictObject({
      /** Longest time from convergence to the ACK, ms; 5 minutes by default. */
      deadlineMs: z.int().min(1_000).max(86_400_000).default(300_000),
      /**
       * What to do then. `cancel`: keep the guest on the source; `proceed`: do that, and start a
       * successor migration without the ACK if its predicted downtime fits the budget; `hold`: wait
       * until the ACK comes or a person decides.
       */
      onTimeout: z.enum(["proceed", "cancel", "hold"]).default("cancel"),
    })
    .prefault({}),
  switchover: z
    .strictObject({
      /** `gated`: converge and hold, the guest running, until switchover is permitted. */
      mode: z.enum(["auto", "gated"]).default("auto"),
      /** Gated: switchover is permitted at this time at the latest. */
      permitAt: z.iso.datetime().optional(),
      /** Gated: switchover of all `size` members is permitted when the last of them is held. */
      group: z
        .strictObject({
          name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
          size: z.int().min(1).max(100),
        })
        .optional(),
      /** Gated: a migration held longer than this is cancelled, ms; a day by default. */
      deadlineMs: z.int().min(1_000).max(604_800_000).default(86_400_000),
    })
    .prefault({}),
  /**
   * Longest downtime that is allowed, ms. QEMU's downtime limit is this budget less the devices'
   * load time, which is learned from earlier migrations.
   */
  downtimeBudgetMs: z.int().min(1).max(2_000_000).optional(),
  /** If the load time alone exceeds the budget: refuse, or converge and hold until permitted. */
  onBudgetExceeded: z.enum(["cancel", "hold"]).default("cancel"),
  /**
   * Differences between the two sides' machines that do not refuse the migration, by their names in
   * the record's `twinCheck`.
   */
  acceptDifferences: AcceptDifferences.default([]),
  /** Disks that the hosts do not share; absent: those that the VM's own `storage` names. */
  storage: DiskWays.optional(),
  /**
   * After the arrival. `set`: the target's agent sets the guest's clock to its host's, by the guest
   * agent, whose channel the definition must have; what it found is in the event
   * `migration.guest-clock`. A guest that did not run keeps its clock.
   */
  guestClock: z.enum(["leave", "set"]).default("leave"),
  /** What is done about a migration that does not converge. */
  convergence: Convergence.prefault({}),
  /** Longest time from `migrate` to convergence, ms; 6 hours by default. */
  precopyDeadlineMs: z.int().min(1_000).max(604_800_000).default(21_600_000),
  /** Longest wait for slots and memory where a host is full, ms; an hour by default. */
  queueDeadlineMs: z.int().min(1_000).max(604_800_000).default(3_600_000),
});
export type MigrationPolicy = z.infer<typeof MigrationPolicy>;
