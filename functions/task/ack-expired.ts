import { z } from "zod";
import { MigrationId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { goOnWithoutAck } from "../service/decide-successor.ts";
import { readMigration, recordFailure } from "../store/migrations.ts";

const AckExpiredInput = z.object({ migrationId: MigrationId });

export type AckExpiredOutput = { action: "hold" | "give-up"; reason: string };

/**
 * Workflow task: the ACK has not come by the policy's deadline. `hold` waits on; all else takes this
 * migration back, the guest running where it is: `proceed` with a successor that goes without the
 * ACK, if the downtime to expect then is within the budget.
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
      ? `${late}; ${await goOnWithoutAck(migration, "within-budget")}`
      : `${late}: the policy is to cancel`;
  await recordFailure(migrationId, {
    code: "ack-timeout",
    message: reason,
    state: `the guest runs on ${migration.source}`,
    cure: "raise policy.ack.deadlineMs, choose another policy.ack.onTimeout, or look at the device on the target",
    phase: "await-ack",
  });
  return { action: "give-up", reason };
});
