import * as z from "zod";
import { MigrationId } from "../id.ts";

/**
 * What one side knows and sees of one VM at one moment. Facts only: core/migration/reconcile.ts
 * decides what the facts of both sides mean together.
 */
export const Observation = z.strictObject({
  /** Side that this host has, or had, for the VM in this migration. */
  side: z.enum(["source", "target"]),
  /**
   * `running`: the QEMU process exists; `exited`: it existed and has ended; `none`: this agent knows
   * of no process; `silent`: it exists but its QMP does not answer.
   */
  process: z.enum(["running", "exited", "none", "silent"]),
  /** The agent remembers that this side took part in this migration. */
  remembers: z.boolean(),
  /** query-status, e.g. `running`, `paused`, `inmigrate`, `postmigrate`, `finish-migrate`. */
  runState: z.string().max(64).optional(),
  /** query-migrate status; absent when QEMU reports none. */
  migrationStatus: z.string().max(64).optional(),
  /** query-migrate error-desc. */
  errorDescription: z.string().max(4_000).optional(),
  /** Target: the guest may run in this process; durable before `cont` was sent. */
  permittedToRun: z.boolean(),
  /** `cont` was sent to this process. */
  contSent: z.boolean(),
  /** The guest was seen in this process in the run state that it should have there. */
  arrived: z.boolean(),
  /** QEMU refused the last `cont`, in its own words: the guest has not run, the permission is void. */
  runRefused: z.string().max(4_000).optional(),
  /** Source: the target's agent may have heard that the source has completed. */
  saidCompleted: z.boolean(),
  /**
   * Source: the guest was given back to it after the switchover, and it hands nothing over any more.
   * Absent: it was not.
   */
  returned: z.literal(true).optional(),
  /** This end of the handover link is connected. */
  linkUp: z.boolean(),
  /** /proc/sys/kernel/random/boot_id of the host: another one means that the host has crashed. */
  bootId: z.string().max(64).optional(),
  /** The last migration this process took part in, by the agent's memory. */
  migrationId: MigrationId.optional(),
});
export type Observation = z.infer<typeof Observation>;
