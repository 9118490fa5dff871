import { isFinalStatus, isPostcopyStatus } from "../../core/qemu/migration-status.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpTimeoutError } from "../../qmp/error.ts";
import { CommandRefusedError } from "../command/command-error.ts";

/**
 * A migration that stays in `cancelling` for longer has its sockets yanked
 * (docs/internals/qemu-facts.md 1.3).
 */
const STUCK_MS = 2_000;
const CANCEL_MS = 15_000;

/** Neither end has the whole guest then, and QEMU 7.2 would take the command and lose it. */
export function refuseInPostcopy(status: string, isAskedFor: boolean): void {
  if (!isPostcopyStatus(status) && (!isAskedFor || isFinalStatus(status))) return;
  throw new CommandRefusedError("refused", `Postcopy has begun (${status}): too late to cancel`);
}

/**
 * Cancels an outgoing migration and waits for `over`, the status it ends with: a cancel may come too
 * late, or end in `failed`.
 *
 * @throws QmpError; QmpTimeoutError when the end has not come within 15 s.
 */
export async function cancelAndWait(qmp: QmpClient, over: Promise<string>): Promise<string> {
  await qmp.execute("migrate_cancel");
  const stuck = setTimeout(() => {
    qmp.execute("yank", { instances: [{ type: "migration" }] }).catch(() => undefined);
  }, STUCK_MS);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new QmpTimeoutError("migrate_cancel", CANCEL_MS, true)),
      CANCEL_MS,
    );
  });
  return Promise.race([over, late]).finally(() => {
    clearTimeout(stuck);
    clearTimeout(timer);
  });
}
