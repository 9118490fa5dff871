import * as z from "zod";
import { HostClosed, QueueDeadline, StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { cureOf } from "../../core/migration/failures.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { task } from "../runtime/task.ts";
import { awaitAdmission, turnSignals } from "../service/admit-waiting.ts";
import { awaitSlots } from "../service/await-slots.ts";
import { fullLimits } from "../service/queue-state.ts";
import { raise } from "../service/raise-signal.ts";
import { registerWait } from "../service/register-wait.ts";
import { takeTurn } from "../service/take-turn.ts";
import { byInvocation } from "../service/wake-by-invocation.ts";
import type { Limit } from "../store/keys.ts";
import { recordFailure } from "../store/migration-progress.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";

const AdmitInput = z.object({
  migrationId: MigrationId,
  /** Present: the migration waits for its turn. */
  taskToken: z.string().min(1).optional(),
  /** How long it has waited, by the workflow's clock. */
  waitedMs: z.number().default(0),
  /** Its target is prepared: it waits for its slots only. */
  isPrepared: z.boolean().default(false),
});

/** Asking again makes up for a lost wake-up. */
const ASK_AGAIN_SECONDS = 900;

/** `askAgainSeconds`: how long it may wait for its turn before the task is to be called again. */
type AdmitOutput = { admitted: boolean; askAgainSeconds?: number };

/**
 * Workflow task for a migration whose hosts were full when it was requested: admits it, with its slots
 * or to be prepared, or reports that they are still full. Called again with a token, the migration
 * waits for its turn; the function that releases slots wakes it. A prepared one waits for its slots
 * in the same way.
 *
 * @throws StaleMigration when the migration has ended
 * @throws HostClosed when its target takes no guests any more
 * @throws QueueDeadline, SlotsDeadline when it has waited for as long as its policy allows
 */
export const handler = task(async (event): Promise<AdmitOutput> => {
  const { migrationId, taskToken, waitedMs, isPrepared } = AdmitInput.parse(event);
  const migration = await readRunning(migrationId);
  if (taskToken !== undefined && isPrepared) {
    await awaitSlots(migration, taskToken, waitedMs);
    return { admitted: true };
  }
  if (taskToken !== undefined) return { admitted: await awaitTurn(migration, taskToken) };
  if ((await admitNow(migration)) === "held") return { admitted: true };
  const leftMs = migration.policy.queueDeadlineMs - waitedMs;
  if (leftMs <= 0) throw await giveUp(migration);
  const leftSeconds = Math.max(1, Math.ceil(leftMs / 1_000));
  return { admitted: false, askAgainSeconds: Math.min(ASK_AGAIN_SECONDS, leftSeconds) };
});

async function awaitTurn(migration: StoredMigration, token: string): Promise<boolean> {
  const { id: migrationId } = migration;
  const signal = turnSignals.preparing;
  const waiter = { token, names: [signal], failOn: [], interruptible: true };
  const { settled } = await registerWait(migrationId, signal, waiter, Promise.resolve());
  if (settled !== undefined) return settled.ok;
  const turn = await admitNow(migration);
  if (turn === "held") await raise({ do: "raise", migrationId, signal });
  if (typeof turn === "object") await awaitAdmission(migration, turn, byInvocation);
  return turn === "held";
}

/** Records the limits that it has waited for. */
async function giveUp(migration: StoredMigration): Promise<QueueDeadline> {
  const limits = await fullLimits(migration);
  const what = limits.length === 0 ? "a slot or memory" : limits.join("; ");
  const waitedSeconds = Math.round(migration.policy.queueDeadlineMs / 1_000);
  const message = `It has waited for ${waitedSeconds} s for ${what}`;
  await recordFailure(migration.id, {
    code: "queue-deadline",
    message,
    state: `nothing was changed; the guest is on ${migration.source}`,
    cure: cureOf("queue-deadline"),
    phase: "admit",
  });
  return new QueueDeadline(message);
}

/** `ended`: it is not to go on, or has been admitted meanwhile; its wait is told of either. */
async function admitNow(migration: StoredMigration): Promise<"held" | "ended" | Limit> {
  const { id, target, slots } = migration;
  if (slots !== undefined) return "held";
  const turn = await takeTurn(migration);
  if (turn === "closed") throw new HostClosed(`Failed to admit ${id}: ${target} does not take it`);
  return turn;
}

async function readRunning(id: MigrationId): Promise<StoredMigration> {
  const migration = await readMigration(id);
  if (!isFinal(migration.status)) return migration;
  throw new StaleMigration(`Failed to admit ${id}: it is ${migration.status}`);
}
