import * as z from "zod";
import { RetryableError, TerminalError } from "../../core/errors.ts";
import { log } from "./log.ts";

/** What the workflow passes to every task; a caller that is no workflow has no state. */
const TaskContext = z.object({ state: z.string().optional(), migrationId: z.string().optional() });

/**
 * Makes a workflow task's handler. An error that is neither a decision (a {@link TerminalError}) nor a
 * malformed input is transient: a throttled table, a lost connection. It gets the one name that the
 * workflow's retries list. Every failure is logged with the state and the migration.
 */
export function task<T>(run: (event: unknown) => Promise<T>): (event: unknown) => Promise<T> {
  return async (event) => {
    try {
      return await run(event);
    } catch (error) {
      const context = TaskContext.safeParse(event).data;
      if (error instanceof TerminalError || error instanceof z.ZodError) {
        log().info({ err: error, ...context }, "a task failed for good");
        throw error;
      }
      log().warn({ err: error, ...context }, "a task failed and may be retried");
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new RetryableError(reason, { cause: error });
    }
  };
}
