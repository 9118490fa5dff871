import { ZodError } from "zod";
import { RetryableError, TerminalError } from "../../core/errors.ts";
import { log } from "./log.ts";

/**
 * A workflow task's handler. Whatever fails that is neither decided (a {@link TerminalError}) nor a
 * malformed input is a matter of the moment: a throttled table, a lost connection. It gets the one
 * name that the workflow's retries list.
 */
export function task<T>(run: (event: unknown) => Promise<T>): (event: unknown) => Promise<T> {
  return async (event) => {
    try {
      return await run(event);
    } catch (error) {
      if (error instanceof TerminalError || error instanceof ZodError) throw error;
      log().warn({ err: error }, "a task failed and may be tried again");
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new RetryableError(reason, { cause: error });
    }
  };
}
