import * as z from "zod";
import { HostId, MigrationId, VmId } from "../id.ts";

const seconds = z.int().positive();

/** Who takes part in a migration. They never change, so tasks read no record for them. */
export const Parties = z.strictObject({ vm: VmId, source: HostId, target: HostId });
export type Parties = z.infer<typeof Parties>;

/**
 * The input of a migration's execution. It is checked where an execution is started, and the
 * workflow addresses its fields by {@link executionInput} only.
 */
export const ExecutionInput = z.strictObject({
  migrationId: MigrationId,
  parties: Parties,
  /** Present: observe both sides again from this turn on. */
  turn: z.int().positive().optional(),
  /** Present with `turn`: the execution before was lost. Else the migration had ended `unknown`. */
  lost: z.literal(true).optional(),
  /** Present: the request itself was admitted, with its slots or to be prepared. */
  admitted: z.enum(["held", "preparing"]).optional(),
  /** Longest wait of a prepared migration for its slots, seconds. */
  queueSeconds: seconds,
  /** Longest precopy, seconds. */
  precopySeconds: seconds,
  /** Longest wait for the switchover ACK, seconds. */
  ackSeconds: seconds,
  /** Longest precopy and hold together, seconds. */
  switchoverSeconds: seconds,
});
export type ExecutionInput = z.infer<typeof ExecutionInput>;

/** Where a workflow finds a field of its execution's input, in JSONata. */
export function executionInput(field: keyof ExecutionInput): string {
  return `$states.context.Execution.Input.${field}`;
}
