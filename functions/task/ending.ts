import { cureOf } from "../../core/migration/failures.ts";
import type { Failure, Phase } from "../../core/migration/migration.ts";
import { forwardPhases } from "../../core/migration/migration.ts";
import type { NotCompleted } from "../store/endings.ts";
import type { StoredMigration } from "../store/migrations.ts";

export type Release = {
  action: "end" | "lost" | "freeze";
  reason: string;
  error: string;
  cause: string;
};

/** The words for an end: what happened, how things stand, what to do about it. */
export function endingOf(migration: StoredMigration, release: Release): NotCompleted {
  const cancelled = release.error === "MigrationCancelled";
  const first = migration.failure ?? failureOf(migration, release);
  // Nobody had to be asked where the guest is, but its process has ended.
  const isLost = release.action === "end" && migration.sourceExited !== undefined;
  switch (isLost ? "lost" : release.action) {
    case "end":
      return {
        status: cancelled ? "cancelled" : "failed",
        vm: "runs-on-source",
        failure: { ...first, state: `the guest is on ${migration.source}; ${release.reason}` },
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
            : release.reason,
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
          state: release.reason,
          cure: `look at ${migration.vm} on ${migration.source} and ${migration.target}: nothing is started, stopped or resumed until a person decides`,
        },
      };
  }
}

function failureOf(migration: StoredMigration, { error, cause, reason }: Release): Failure {
  const code = codeOf(error);
  return {
    code,
    message: messageOf(migration, { error, cause, reason }).slice(0, 4_000),
    state: reason,
    cure: cureOf(code),
    phase: lastForwardPhase(migration),
  };
}

/** Both ends' own words where they have any, the source's first: the target often only echoes. */
function messageOf(
  { sourceFailure, targetFailure }: StoredMigration,
  { error, cause, reason }: Omit<Release, "action">,
): string {
  const said = [sourceFailure, targetFailure].filter((words) => words !== undefined);
  if (error === "MigrationFailed" && said.length > 0) return said.join("; ");
  return cause === "" ? `${error}: ${reason}` : sentenceOf(cause);
}

/** A failed function's cause is Lambda's whole error document; people want its message. */
function sentenceOf(cause: string): string {
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
  // Of the service that runs the functions, after all attempts.
  if (/^(Lambda|Sandbox)\./.test(error)) return "retryable-error";
  const words = error.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g) ?? ["failed"];
  return words.join("-").toLowerCase();
}
