import { z } from "zod";
import { MigrationId } from "../id.ts";

/**
 * What one end sees of one VM at one moment. Facts only: what they mean for both ends together is
 * decided in reconcile.ts.
 */
export const Observation = z.strictObject({
  /** Role this host has, or had, for the VM in the migration at hand. */
  side: z.enum(["source", "target"]),
  /**
   * `running`: the QEMU process exists; `gone`: it existed and has ended; `none`: never here;
   * `silent`: it exists but its QMP does not answer.
   */
  process: z.enum(["running", "exited", "none", "silent"]),
  /** query-status, e.g. `running`, `paused`, `inmigrate`, `postmigrate`, `finish-migrate`. */
  runState: z.string().optional(),
  /** query-migrate status; absent when QEMU reports none. */
  migrationStatus: z.string().optional(),
  /** query-migrate error-desc. */
  errorDescription: z.string().optional(),
  /** The guest has run in this process as far as this agent knows (journal and events). */
  everRan: z.boolean(),
  /** This end of the handover link is connected. */
  linkUp: z.boolean(),
  /** The last migration this process took part in, by the agent's journal. */
  migrationId: MigrationId.optional(),
});
export type Observation = z.infer<typeof Observation>;
