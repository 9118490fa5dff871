import type { Command, CommandError } from "../../core/protocol/command.ts";
import { QmpError, QmpTimeoutError } from "../../qmp/error.ts";

/** A command that did not run, or failed; becomes the event `command.failed`. */
export class CommandRefusedError extends Error {
  override name = "CommandRefusedError";
  readonly code: CommandError["code"];

  constructor(code: CommandError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What an operator reads of an error. An error that is the agent's own fault is only referred to: its
 * text is for developers and is in the log.
 */
export function toCommandError(
  error: unknown,
  { id, verb, vm }: Pick<Command, "id" | "verb" | "vm">,
): CommandError {
  const message = describe(error).slice(0, 4_000);
  if (error instanceof CommandRefusedError) return { code: error.code, message };
  if (error instanceof QmpTimeoutError) return { code: "timeout", message };
  if (error instanceof QmpError) return { code: "qemu", message };
  const what = `The agent failed to run ${verb} for ${vm}`;
  if (isSystemError(error)) return { code: "internal", message: `${what}: ${message}` };
  return { code: "internal", message: `${what}: its log has the cause, under command ${id}` };
}

/** The operating system refused something, such as ENOSPC: that is for operators to mend. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "code" in error;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `: ${describe(error.cause)}`;
  return error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`;
}
