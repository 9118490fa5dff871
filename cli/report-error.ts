import { ApiError } from "../client/api-error.ts";
import { CliError } from "./exit/cli-error.ts";
import { isConnectionFailure } from "./exit/exit-of.ts";
import type { Output } from "./output/output.ts";
import { clean } from "./output/table.ts";

/** Says on stderr why a command ended: what, which field, and what to do. */
export function reportError(error: unknown, output: Output): void {
  if (!output.isForPeople && error instanceof ApiError) {
    output.note(JSON.stringify({ status: error.status, ...error.problem }, null, 2));
    return;
  }
  for (const line of linesOf(error)) output.note(line);
}

function linesOf(error: unknown): string[] {
  if (error instanceof ApiError) {
    const { code, detail, title, errors = [] } = error.problem;
    const text = clean(detail ?? title ?? "The request was refused");
    return [
      `✗ ${text}   (${error.status}${code === undefined ? "" : ` ${code}`})`,
      ...errors.map(({ field, rule, received, cure }) => {
        const got = received === undefined ? "" : `, got ${received}`;
        const way = cure === undefined ? "" : `   cure: ${cure}`;
        return `  ${clean(`${field}: ${rule}${got}${way}`)}`;
      }),
    ];
  }
  if (error instanceof CliError) {
    return [`✗ ${error.message}`, ...(error.cure === undefined ? [] : [`  cure: ${error.cure}`])];
  }
  if (isConnectionFailure(error)) {
    return [
      `✗ The control plane did not answer: ${causeOf(error)}`,
      "  cure: see whether it runs, and whether the URL is right (switchyard profile list)",
    ];
  }
  return [`✗ ${error instanceof Error ? error.message : String(error)}`];
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== ""
    ? error.cause.message
    : error.message;
}
