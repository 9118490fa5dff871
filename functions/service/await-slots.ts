import { HostClosed, SlotsDeadline } from "../../core/errors.ts";
import { cureOf } from "../../core/migration/failures.ts";
import { noteWaiting, recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { admitWaiting, awaitAdmission, freedBy, turnSignals } from "./admit-waiting.ts";
import { fullLimits } from "./queue-state.ts";
import { raise } from "./raise-signal.ts";
import { registerWait } from "./register-wait.ts";
import { takeTurn } from "./take-turn.ts";
import { byInvocation } from "./wake-by-invocation.ts";

const SIGNAL = turnSignals.transferring;

/**
 * A prepared migration waits for its slots: whoever releases some gives them to it, and raises the
 * signal. Called again, it makes up for a call that died before that.
 *
 * @throws SlotsDeadline when it has waited for as long as its policy allows
 * @throws HostClosed when its target takes no guests any more
 */
export async function awaitSlots(
  migration: StoredMigration,
  token: string,
  waitedMs: number,
): Promise<void> {
  const { id, target, policy } = migration;
  const waiter = { token, names: [SIGNAL], failOn: [], interruptible: true };
  const { settled } = await registerWait(id, SIGNAL, waiter, noteWaiting(id));
  if (settled !== undefined) return;
  const turn = await takeTurn(migration);
  if (turn === "closed") throw new HostClosed(`Failed to start ${id}: ${target} does not take it`);
  if (turn === "held") {
    await raise({ do: "raise", migrationId: id, signal: SIGNAL });
    await admitWaiting(freedBy(migration), byInvocation);
  }
  if (typeof turn !== "object") return;
  if (waitedMs >= policy.queueDeadlineMs) throw await giveUp(migration);
  await awaitAdmission(migration, turn, byInvocation);
}

/** Records the slots that it has waited for. */
async function giveUp(migration: StoredMigration): Promise<SlotsDeadline> {
  const slots = await fullLimits(migration);
  const what = slots.length === 0 ? "a slot or a link" : slots.join("; ");
  const waitedSeconds = Math.round(migration.policy.queueDeadlineMs / 1_000);
  const message = `Its target was prepared, and it has waited for ${waitedSeconds} s for ${what}`;
  await recordFailure(migration.id, {
    code: "slots-deadline",
    message,
    state: `the guest runs on at ${migration.source}`,
    cure: cureOf("slots-deadline"),
    phase: "prepare",
  });
  return new SlotsDeadline(message);
}
