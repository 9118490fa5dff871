import { guestAgentChardev } from "../../../core/definition/guest-agent.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { MigrationEvent } from "../../guest/emit.ts";
import type { Guest } from "../../guest/guest.ts";
import { setGuestClock } from "../../guest/guest-agent.ts";

/** A guest agent that runs answers within milliseconds, once the guest is scheduled again. */
const ANSWER_MS = 30_000;
const DETAIL_MAX = 500;

/**
 * Sets the clock of a guest that has arrived and runs, if its migration asks for it. Tried once.
 *
 * @returns what to report; undefined: it was not asked for, or the guest does not run. Never fails.
 */
export async function guestClockEvent(guest: Guest): Promise<MigrationEvent | undefined> {
  const { migration, definition } = guest.manifest;
  if (migration?.guestClock !== "set") return undefined;
  try {
    const { status } = await guest.qmp.execute("query-status");
    if (status !== "running") return undefined;
    const chardev = guestAgentChardev(definition);
    if (chardev === undefined) {
      throw new CommandRefusedError("refused", "The guest has no guest agent's channel");
    }
    const offsets = await setGuestClock(guest.qmp, chardev, ANSWER_MS);
    return { type: "migration.guest-clock", outcome: "set", ...offsets };
  } catch (error) {
    const detail = (error instanceof Error ? error.message : String(error)).slice(0, DETAIL_MAX);
    return { type: "migration.guest-clock", outcome: "failed", detail };
  }
}
