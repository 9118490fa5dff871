import { cureOf } from "../../core/migration/failures.ts";
import type { Failure, Phase } from "../../core/migration/migration.ts";
import { forwardPhases } from "../../core/migration/migration.ts";
import type { NotCompleted } from "../store/migration-ending.ts";
import type { StoredMigration } from "../store/migration-record.ts";

export type EndRequest = {
  action: "end" | "lost" | "freeze";
  reason: string;
  error: string;
  cause: string;
};

/** Describes an end: what happened, the state that results, and the cure. */
export function endingOf(migration: StoredMigration, request: EndRequest): NotCompleted {
  const cancelled = request.error === "MigrationCancelled";
  const first = migration.failure ?? failureOf(migration, request);
  // The guest is known to be on the source, but its process there has ended.
  const isLost = request.action === "end" && migration.sourceExited !== undefined;
  switch (isLost ? "lost" : request.action) {
    case "end":
      return {
        status: cancelled ? "cancelled" : "failed",
        vm: "runs-on-source",
        failure: { ...first, state: `the guest is on ${migration.source}; ${request.reason}` },
      };
    case "lost":
      return {
        status: "failed",
        vm: "lost",
        failure: {
          ...first,
          code: "guest-lost",
          state: isLost
            ? "the source's process ended, and the target never had it"
            : request.reason,
          cure: `start ${migration.vm} again from its disks`,
        },
      };
    case "freeze":
      return {
        status: "unknown",
        vm: "unknown",
        failure: {
          ...first,
          code: "unknown-state",
          state: request.reason,
          cure: `look at ${migration.vm} on ${migration.source} and ${migration.target}: nothing is started, stopped or resumed until a person decides`,
        },
      };
  }
}

function failureOf(migration: StoredMigration, { error, cause, reason }: EndRequest): Failure {
  const code = codeOf(error);
  return {
    code,
    message: messageOf(migration, { error, cause, reason }).slice(0, 4_000),
    state: reason,
    cure: cureOf(code),
    phase: lastForwardPhase(migration),
  };
}

/** The failures that both sides reported, the source's first: the target's is often a consequence. */
function messageOf(
  { sourceFailure, targetFailure }: StoredMigration,
  { error, cause, reason }: Omit<EndRequest, "action">,
): string {
  const reported = [sourceFailure, targetFailure].filter((text) => text !== undefined);
  if (error === "MigrationFailed" && reported.length > 0) return reported.join("; ");
  return cause === "" ? `${error}: ${reason}` : readableCause(cause);
}

/** The message in a failed function's cause, which is Lambda's whole error document. */
function readableCause(cause: string): string {
  if (!cause.startsWith("{")) return cause;
  try {
    const { errorMessage }: { errorMessage?: unknown } = JSON.parse(cause);
    return typeof errorMessage === "string" && errorMessage !== "" ? errorMessage : cause;
  } catch {
    return cause;
  }
}

function lastForwardPhase(migration: StoredMigration): Phase {
  const forward: readonly string[] = forwardPhases;
  return migration.phases.findLast(({ name }) => forward.includes(name))?.name ?? "admit";
}

/** `States.HeartbeatTimeout` and `MigrationFailed` become `states-heartbeat-timeout`, `migration-failed`. */
function codeOf(error: string): string {
  // An error of the service that runs the functions, after all retries.
  if (/^(Lambda|Sandbox)\./.test(error)) return "retryable-error";
  const words = error.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g) ?? ["failed"];
  return words.join("-").toLowerCase();
}
