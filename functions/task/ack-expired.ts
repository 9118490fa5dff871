import * as z from "zod";
import { MigrationId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { decideSuccessor } from "../service/decide-successor.ts";
import { recordFailure } from "../store/migration-progress.ts";
import { readMigration } from "../store/migration-record.ts";

const AckExpiredInput = z.object({ migrationId: MigrationId });

export type AckExpiredOutput = { action: "hold" | "give-up"; reason: string };

/**
 * Workflow task for an ACK that missed the policy's deadline. `hold` continues to wait; the other
 * policies take the migration back while the guest runs on the source. `proceed` also decides that a
 * successor goes without the ACK, if the expected downtime is within the budget.
 */
export const handler = task(async (event): Promise<AckExpiredOutput> => {
  const { migrationId } = AckExpiredInput.parse(event);
  const migration = await readMigration(migrationId);
  const { ack } = migration.policy;
  const devices = migration.agreement?.ackDevices.join(", ") ?? "";
  const late = `no switchover ACK within ${ack.deadlineMs} ms${devices ? ` from ${devices}` : ""}`;
  if (ack.onTimeout === "hold") return { action: "hold", reason: late };
  const reason =
    ack.onTimeout === "proceed"
      ? `${late}; ${await decideSuccessor(migration, "within-budget")}`
      : `${late}: the policy is to cancel`;
  await recordFailure(migrationId, {
    code: "ack-timeout",
    message: reason,
    state: `the guest runs on ${migration.source}`,
    cure: "raise policy.ack.deadlineMs, choose another policy.ack.onTimeout, or check the device on the target",
    phase: "await-ack",
  });
  return { action: "give-up", reason };
});
