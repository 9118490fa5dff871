import { CommanderError } from "commander";
import { ApiError } from "../../client/api-error.ts";
import { CliError } from "./cli-error.ts";
import type { ExitName } from "./exit-codes.ts";

/** Codes of refusals that have another exit than their status. */
const byCode: Readonly<Record<string, ExitName>> = {
  // Another request came first: the same command may work after a look.
  "vm-changed": "changed",
  "vm-locked": "changed",
  "host-changed": "changed",
  "plan-changed": "changed",
  "schedule-changed": "changed",
  "freezes-changed": "changed",
  "webhooks-changed": "changed",
  "idempotency-key-reused": "changed",
  "vm-unknown": "unknown",
  // This client asks for something that the control plane does not have.
  "route-not-found": "unreachable",
  "method-not-allowed": "unreachable",
};

/** The exit of a refused request. */
export function exitOfProblem(status: number, code: string | undefined): ExitName {
  const own = code !== undefined && Object.hasOwn(byCode, code) ? byCode[code] : undefined;
  if (own !== undefined) return own;
  if (status === 401 || status === 403) return "login";
  if (status === 404) return "missing";
  if (status === 412 || status === 428) return "changed";
  if (status >= 500 || status === 429) return "unreachable";
  return "refused";
}

/** The exit for whatever a command has thrown. */
export function exitOf(error: unknown): ExitName {
  if (error instanceof CliError) return error.exit;
  if (error instanceof ApiError) return exitOfProblem(error.status, error.problem.code);
  if (error instanceof CommanderError) return error.exitCode === 0 ? "done" : "usage";
  if (isConnectionFailure(error)) return "unreachable";
  return "failed";
}

/** `fetch` failed, or its deadline has passed. */
export function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    (error instanceof TypeError && error.message === "fetch failed") ||
    error.name === "TimeoutError" ||
    error.name === "AbortError"
  );
}
