import { isFinalStatus, isPostcopyStatus } from "../../../core/qemu/migration-status.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import { QmpTimeoutError } from "../../../qmp/error.ts";
import { CommandRefusedError } from "../../command/command-error.ts";

/**
 * After this a migration that stays in `cancelling` has its sockets yanked: with fewer multifd
 * channels on the source than on the target it would stay so for ever (docs/internals/qemu-facts.md,
 * "What a mismatch does").
 */
const STUCK_MS = 2_000;
const CANCEL_MS = 15_000;
const STATUS_MS = 1_000;

/**
 * In postcopy neither side has the whole guest. QEMU 7.2 accepts a cancel then and loses the guest;
 * 10.0 and later refuse it.
 *
 * @param isRequested postcopy has been asked for
 * @throws CommandRefusedError
 */
export function refuseInPostcopy(status: string, isRequested: boolean): void {
  const isPossible = isRequested && !isFinalStatus(status);
  if (!isPostcopyStatus(status) && !isPossible) return;
  throw new CommandRefusedError("refused", `Postcopy has begun (${status}): too late to cancel`);
}

/** QEMU's migration status; undefined when QEMU does not answer before a cancel is due. */
export async function readStatus(qmp: QmpClient): Promise<string | undefined> {
  try {
    const { status = "none" } = await qmp.execute("query-migrate", {}, { timeoutMs: STATUS_MS });
    return status;
  } catch (error) {
    if (error instanceof QmpTimeoutError) return undefined;
    throw error;
  }
}

/**
 * Cancels an outgoing migration and waits until it has ended, in whichever status: a cancel may come
 * too late, or end in `failed`.
 *
 * @throws QmpError; QmpTimeoutError when the end has not come within 15 s.
 */
export async function cancelAndWait(qmp: QmpClient, ended: Promise<void>): Promise<void> {
  // Out of band, so armed before the answer: a QEMU whose main loop is blocked does not answer.
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
  const refused = qmp
    .execute("migrate_cancel", {}, { timeoutMs: CANCEL_MS })
    .then(() => new Promise<never>(() => undefined));
  return Promise.race([ended, late, refused]).finally(() => {
    clearTimeout(stuck);
    clearTimeout(timer);
  });
}
