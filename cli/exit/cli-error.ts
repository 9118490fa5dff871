import type { ExitName } from "./exit-codes.ts";

/** Why a command ends without its answer. */
export class CliError extends Error {
  override name = "CliError";
  readonly exit: ExitName;
  /** What to do about it. */
  readonly cure: string | undefined;

  constructor(exit: ExitName, message: string, cure?: string) {
    super(message);
    this.exit = exit;
    this.cure = cure;
  }
}
