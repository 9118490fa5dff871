import { setTimeout as delay } from "node:timers/promises";
import type { CommandId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { findCommands, type StoredCommand } from "../store/commands.ts";

/** Longest wait for hosts' answers; API Gateway ends a request after 30 s. */
const DEADLINE_MS = 20_000;
const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 250;

/**
 * Polls the table until every command is answered: the caller's request waits for them.
 *
 * @param onFailed makes the refusal of a command that failed
 * @param deadlineMs by Date.now()
 * @throws Problem host-silent, and what `onFailed` makes
 */
export async function awaitAnswers(
  ids: CommandId[],
  onFailed: (command: StoredCommand) => Error,
  deadlineMs = Date.now() + DEADLINE_MS,
): Promise<Map<string, StoredCommand>> {
  for (
    let pause = PAUSE_MS_MIN;
    Date.now() < deadlineMs;
    pause = Math.min(pause * 2, PAUSE_MS_MAX)
  ) {
    await delay(pause);
    const found = await findCommands(ids);
    for (const command of found.values()) if (command.state === "failed") throw onFailed(command);
    if (ids.every((id) => found.get(id)?.state === "completed")) return found;
  }
  throw new Problem("host-silent", "A host did not answer in time");
}
