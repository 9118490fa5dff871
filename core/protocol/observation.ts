import { z } from "zod";
import { MigrationId } from "../id.ts";

/**
 * One side's state of one VM at one moment. Facts only: core/migration/reconcile.ts decides what they
 * mean for both sides together.
 */
export const Observation = z.strictObject({
  /** The side that this host is, or was, in the VM's newest migration here. */
  side: z.enum(["source", "target"]),
  /**
   * `running`: the QEMU process exists; `exited`: it existed and has ended; `none`: it was never here;
   * `silent`: it exists and does not answer on QMP.
   */
  process: z.enum(["running", "exited", "none", "silent"]),
  /** query-status, e.g. `running`, `paused`, `inmigrate`, `postmigrate`, `finish-migrate`. */
  runState: z.string().optional(),
  /** query-migrate status; absent when QEMU reports none. */
  migrationStatus: z.string().optional(),
  /** query-migrate error-desc. */
  errorDescription: z.string().optional(),
  /** The guest has run in this process, as far as the agent knows. */
  everRan: z.boolean(),
  /** The handover link is connected on this side. */
  linkUp: z.boolean(),
  /** The newest migration that this process took part in. */
  migrationId: MigrationId.optional(),
});
export type Observation = z.infer<typeof Observation>;
