import { randomBytes } from "node:crypto";
import { MigrationId, ulid } from "../../core/id.ts";
import { DOWNTIME_LIMIT_MS } from "../../core/qemu/parameters.ts";
import { expectedLoad, subjectsOf } from "../store/learned.ts";
import { recordRestart, type StoredMigration } from "../store/migrations.ts";

/**
 * Decides, once, that a successor goes without the ACK after this migration has been taken back: by
 * policy only within the downtime budget, by a person's word in any case. Returns what was decided.
 */
export async function goOnWithoutAck(
  migration: StoredMigration,
  when: "within-budget" | "in-any-case",
): Promise<string> {
  const { policy } = migration;
  const learned = await expectedLoad(subjectsOf(migration.vm, migration.vfioDevices ?? [], false));
  const loadMs = learned?.loadMs ?? 0;
  const expectedMs = (policy.downtimeLimitMs ?? DOWNTIME_LIMIT_MS) + loadMs;
  const known =
    learned === undefined ? "no load time is known" : `${loadMs} ms learned from ${learned.from}`;
  const budgetMs = policy.downtimeBudgetMs;
  if (when === "within-budget" && budgetMs !== undefined && loadMs >= budgetMs) {
    return `without it the downtime budget of ${budgetMs} ms cannot be kept (${known})`;
  }
  const id = MigrationId.parse(`mig_${ulid(Date.now(), randomBytes(10))}`);
  const capabilities = { ...policy.capabilities, "switchover-ack": "forbid" } as const;
  await recordRestart(migration.id, { id, policy: { ...policy, capabilities } });
  return `a successor goes without it: ${expectedMs} ms of downtime expected (${known})`;
}
