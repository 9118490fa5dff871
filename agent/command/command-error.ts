import type { CommandError } from "../../core/protocol/command.ts";
import { QmpCommandError, QmpError, QmpTimeoutError } from "../../qmp/error.ts";

/** A command that was not carried out; becomes the `command.failed` event. */
export class CommandRefusedError extends Error {
  override name = "CommandRefusedError";
  readonly code: CommandError["code"];

  constructor(code: CommandError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function toCommandError(error: unknown): CommandError {
  const message = describe(error).slice(0, 4_000);
  if (error instanceof CommandRefusedError) return { code: error.code, message };
  if (error instanceof QmpTimeoutError) return { code: "timeout", message };
  if (error instanceof QmpCommandError || error instanceof QmpError)
    return { code: "qemu", message };
  return { code: "internal", message };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `: ${describe(error.cause)}`;
  return error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`;
}
