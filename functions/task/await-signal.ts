import * as z from "zod";
import { MigrationId } from "../../core/id.ts";
import { Phase } from "../../core/migration/migration.ts";
import { task } from "../runtime/task.ts";
import { registerWait } from "../service/register-wait.ts";
import { enterPhase } from "../store/migration-progress.ts";
import { PAUSED } from "../store/signals.ts";

const AwaitSignalInput = z.object({
  migrationId: MigrationId,
  taskToken: z.string().min(1),
  signal: z.enum(["acked", "source-completed", "target-arrived"]),
  phase: Phase,
  interruptible: z.boolean().default(true),
  /** Number of the pause of postcopy that fails the wait: earlier ones were recovered. */
  pause: z.int().positive().optional(),
});

/**
 * Workflow task with token: enters a phase and waits for a signal.
 *
 * @throws StaleMigration when the migration has ended or is on its way back
 */
export const handler = task(async (event): Promise<Record<string, never>> => {
  const input = AwaitSignalInput.parse(event);
  const { signal, taskToken: token, interruptible, pause } = input;
  const paused = pause === undefined ? [] : [PAUSED];
  const failOn = [signal, ...paused];
  const until = pause === undefined ? {} : { pause };
  const waiter = { token, names: [signal], failOn, interruptible, ...until };
  const entering = enterPhase(input.migrationId, input.phase);
  const { entered } = await registerWait(input.migrationId, signal, waiter, entering);
  await entered.recorded;
  return {};
});
