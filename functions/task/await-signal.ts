import { z } from "zod";
import { MigrationId } from "../../core/id.ts";
import { Phase } from "../../core/migration/migration.ts";
import { task } from "../runtime/task.ts";
import { waitFor } from "../service/register-wait.ts";
import { enterPhase } from "../store/migrations.ts";
import { pauseSignal } from "../store/signals.ts";

const AwaitSignalInput = z.object({
  migrationId: MigrationId,
  taskToken: z.string().min(1),
  signal: z.enum(["acked", "source-completed", "target-running"]),
  phase: Phase,
  interruptible: z.boolean().default(true),
  /** The pause of postcopy that ends the wait, by its number: earlier ones are over. */
  pause: z.int().positive().optional(),
});

/**
 * Workflow task with token: enters a phase and waits for a signal of it.
 *
 * @throws StaleMigration when the migration is over or has turned back
 */
export const handler = task(async (event): Promise<Record<string, never>> => {
  const input = AwaitSignalInput.parse(event);
  const { signal, taskToken: token, interruptible, pause } = input;
  const pauses = pause === undefined ? [] : [pauseSignal(pause)];
  const waiter = { token, names: [signal], failOn: [signal, ...pauses], interruptible };
  await waitFor(input.migrationId, signal, waiter, enterPhase(input.migrationId, input.phase));
  return {};
});
