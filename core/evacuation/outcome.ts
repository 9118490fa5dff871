import * as z from "zod";
import type { Failure, MigrationStatus } from "../migration/migration.ts";

/**
 * Why a try has failed, as far as the next one depends on it. `transient`: the same may succeed
 * later; `capacity`: the target had no room; `incompatible`: this guest and this target do not fit;
 * `unsafe`: nobody knows where the guest runs.
 */
export const ReasonClass = z.enum(["transient", "capacity", "incompatible", "unsafe"]);
export type ReasonClass = z.infer<typeof ReasonClass>;

type Budget = {
  /** Tries that may fail for it, the first included. */
  readonly tries: number;
  /** The pause before the next one, ms; it doubles with each further one. */
  readonly pauseMs: number;
};

/**
 * Tries of one VM in one evacuation. An incompatible target is not tried again: each try has another
 * one. A guest in an unsafe state is not tried at all.
 */
export const budgets: Readonly<Record<ReasonClass, Budget>> = {
  transient: { tries: 3, pauseMs: 5_000 },
  capacity: { tries: 5, pauseMs: 1_000 },
  incompatible: { tries: 3, pauseMs: 0 },
  unsafe: { tries: 0, pauseMs: 0 },
};

const PAUSE_MS_MAX = 300_000;

/** Codes that say more than the phase in which they came up. */
const classes: Readonly<Record<string, ReasonClass>> = {
  "memory-short": "capacity",
  "host-full": "capacity",
  // A person's reconcile has found the guest: before that, the migration is not failed but unknown.
  "unknown-state": "transient",
  "sides-differ": "incompatible",
  "no-convergence": "transient",
  "cannot-listen": "transient",
  "block-job": "transient",
  "run-state": "transient",
  "migration-in-progress": "transient",
};

/** The class of a failed migration: what negotiation refuses fits no better the next time. */
export function classOf({ code, phase }: Pick<Failure, "code" | "phase">): ReasonClass {
  return classes[code] ?? (phase === "negotiate" ? "incompatible" : "transient");
}

type Tried = { readonly class?: ReasonClass | undefined };

export type EndedMigration = {
  readonly status: Exclude<MigrationStatus, "running">;
  readonly failure?: Pick<Failure, "code" | "phase" | "message" | "cure"> | undefined;
  /** When somebody asked to cancel it: it may have failed before that was done. */
  readonly cancelRequestedAt?: string | undefined;
};

/** What becomes of a VM when its migration has ended. */
export type Outcome =
  | { readonly state: "moved" }
  /** Its guest has ended by itself. */
  | { readonly state: "gone"; readonly reason: string }
  /** A person has cancelled its migration. */
  | { readonly state: "skipped"; readonly reason: string; readonly cure: string }
  | {
      readonly state: "failed";
      readonly reason: string;
      readonly cure: string;
      readonly class?: ReasonClass;
    }
  | {
      readonly state: "retrying";
      readonly reason: string;
      readonly class: ReasonClass;
      readonly afterMs: number;
      /** Another target has to be found. */
      readonly needsTarget: boolean;
    }
  /** It counts as moving until a person has found its guest. */
  | { readonly state: "moving"; readonly reason: string };

const endedGuests: Readonly<Record<string, string>> = {
  "guest-shut-down": "the guest has shut down",
  "guest-panicked": "the guest has panicked",
};

/**
 * Whoever cancels the migration of a VM wants it to stay: it is not tried again.
 *
 * @param before the earlier tries of the VM in this evacuation that have failed
 */
export function outcomeOf(ended: EndedMigration, before: readonly Tried[]): Outcome {
  const { status, failure, cancelRequestedAt } = ended;
  if (status === "completed") return { state: "moved" };
  if (status === "cancelled") return skipped("its migration was cancelled");
  if (failure === undefined) {
    return { state: "failed", reason: "its migration failed", cure: "see its migration" };
  }
  const reason = `${failure.code}: ${failure.message}`.slice(0, 1_000);
  const gone = endedGuests[failure.code];
  if (gone !== undefined) return { state: "gone", reason: gone };
  if (failure.code === "guest-lost") return { state: "failed", reason, cure: failure.cure };
  const found = status === "unknown" ? "unsafe" : classOf(failure);
  if (found === "unsafe") return { state: "moving", reason };
  if (cancelRequestedAt !== undefined) {
    return skipped(`its migration was to be cancelled, and has failed: ${reason}`);
  }
  const budget = budgets[found];
  const tries = before.filter((one) => one.class === found).length + 1;
  if (tries >= budget.tries) {
    return { state: "failed", reason, cure: failure.cure, class: found };
  }
  return {
    state: "retrying",
    reason,
    class: found,
    afterMs: Math.min(PAUSE_MS_MAX, budget.pauseMs * 2 ** (tries - 1)),
    needsTarget: found !== "transient",
  };
}

function skipped(reason: string): Outcome {
  return { state: "skipped", reason, cure: "retry the VM, if it is to be moved after all" };
}
