import { setTimeout as delay } from "node:timers/promises";
import type { QmpSession } from "../../../qmp/client.ts";
import { CommandRefusedError } from "../../command/command-error.ts";

const CLEANED_UP_MS = 5_000;
const POLL_MS = 20;

/**
 * Waits until QEMU has cleaned up after an earlier migration. Its status is final some milliseconds
 * sooner, and QEMU refuses another `migrate` until then. The thread of a migration with multifd whose
 * target died may hang for ever (docs/internals/qemu-facts.md, "What a mismatch does"). Called before
 * `migrate`, which leaves the status `setup` behind when it is refused.
 *
 * @throws CommandRefusedError when it has not cleaned up within 5 s; QmpError
 */
export async function waitForCleanup(qmp: Pick<QmpSession, "execute">): Promise<void> {
  const deadline = performance.now() + CLEANED_UP_MS;
  for (;;) {
    const instances = await qmp.execute("query-yank");
    if (!instances.some(({ type }) => type === "migration")) return;
    if (performance.now() > deadline) throw new CommandRefusedError("refused", HANGS);
    await delay(POLL_MS);
  }
}

const HANGS =
  "QEMU has not cleaned up after an earlier migration: its thread hangs. This process cannot move " +
  "live any more. The guest runs on; shut it down when it suits its users, and start it again";
