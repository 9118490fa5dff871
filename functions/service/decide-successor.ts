import { randomBytes } from "node:crypto";
import { MigrationId, ulid } from "../../core/id.ts";
import { DOWNTIME_LIMIT_MS } from "../../core/qemu/parameters.ts";
import { readExpectedLoad, subjectsOf } from "../store/load-times.ts";
import { recordRestart } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";

/**
 * Decides, once, that a successor goes without the ACK after this migration has been taken back. By
 * policy that is allowed only within the downtime budget, by an operator's request in any case.
 * Returns the decision as text.
 */
export async function decideSuccessor(
  migration: StoredMigration,
  when: "within-budget" | "in-any-case",
): Promise<string> {
  const { policy } = migration;
  const learned = await readExpectedLoad(
    subjectsOf(migration.vm, migration.vfioDevices ?? [], false),
  );
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
