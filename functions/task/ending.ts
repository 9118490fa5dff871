import { cureOf } from "../../core/migration/failures.ts";
import type { Failure, Phase } from "../../core/migration/migration.ts";
import { forwardPhases } from "../../core/migration/phases.ts";
import type { GuestEnd } from "../../core/vm-exit.ts";
import type { NotCompleted } from "../store/migration-ending.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { guestAtSource } from "./settled-guest.ts";

export type EndRequest = {
  action: "end" | "lost" | "freeze";
  reason: string;
  error: string;
  cause: string;
};

/** Describes an end: what happened, the state that results, and the cure. */
export function endingOf(migration: StoredMigration, request: EndRequest): NotCompleted {
  const first = migration.failure ?? failureOf(migration, request);
  if (request.action === "freeze") return frozen(migration, request, first);
  // The guest is known to be on the source, but its process there has ended.
  const exit = migration.sourceExit;
  if (exit !== undefined && exit.state !== "failed") return ended(migration, exit, first);
  if (request.action === "lost") return lost(migration, first, request.reason);
  if (exit !== undefined) {
    return lost(migration, first, "the source's process ended, and the target never had it");
  }
  const guest = guestAtSource(migration);
  const cancelled = request.error === "MigrationCancelled";
  const hasShutDown =
    guest.runState === "shutdown" && !cancelled && migration.failure === undefined;
  const state = `the guest is on ${migration.source}; ${request.reason}`;
  return {
    status: cancelled ? "cancelled" : "failed",
    vm: { place: "source", ...guest },
    failure: { ...(hasShutDown ? shutDown(first) : first), state },
  };
}

function frozen(migration: StoredMigration, { reason }: EndRequest, first: Failure): NotCompleted {
  return {
    status: "unknown",
    vm: { place: "unknown" },
    failure: {
      ...first,
      code: "unknown-state",
      state: reason,
      cure: `look at ${migration.vm} on ${migration.source} and ${migration.target}: nothing is started, stopped or resumed until a person decides`,
    },
  };
}

/** The guest has ended itself on the source; the target never had the whole of it. */
function ended(migration: StoredMigration, exit: GuestEnd, first: Failure): NotCompleted {
  const failure =
    exit.state === "stopped"
      ? shutDown({ ...first, message: exit.detail })
      : {
          ...first,
          code: "guest-panicked",
          message: exit.detail,
          cure: cureOf("guest-panicked"),
        };
  const state = `${migration.vm} is ${exit.state}, and its process on ${migration.source} has ended`;
  return { status: "failed", vm: { place: "none", end: exit }, failure: { ...failure, state } };
}

function lost({ vm }: StoredMigration, first: Failure, state: string): NotCompleted {
  const cure = `start ${vm} again from its disks`;
  return {
    status: "failed",
    vm: { place: "none", end: { state: "failed", detail: first.message } },
    failure: { ...first, code: "guest-lost", state, cure },
  };
}

function shutDown(first: Failure): Failure {
  return { ...first, code: "guest-shut-down", cure: cureOf("guest-shut-down") };
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

/**
 * What interrupted the migration, then the failures that both sides reported, the source's first: the
 * target's is often a consequence. Often one of them was the interruption.
 */
function messageOf(
  { sourceFailure, targetFailure, runRefused }: StoredMigration,
  { error, cause, reason }: Omit<EndRequest, "action">,
): string {
  const reported = [sourceFailure, targetFailure].filter((text) => text !== undefined);
  if (error === "MigrationFailed" && reported.length > 0) {
    const isReported = cause === "" || reported.some((text) => text.includes(cause));
    return (isReported ? reported : [readableCause(cause), ...reported]).join("; ");
  }
  if (error === "HandoverFailed" && runRefused !== undefined) return `${cause}: ${runRefused}`;
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
