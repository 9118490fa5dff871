import type { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import type { Outcome, Signals } from "./signals.ts";
import { updateIf } from "./table.ts";
import { entryRow, type Row } from "./timeline.ts";

/**
 * Steps that repeat (recoveries of postcopy, turns of the way back, permits, limits of bandwidth) keep
 * the waits and the answers of their newest attempts only, so that the item of signals stays far below
 * DynamoDB's 400 KB, however long a migration lasts. Earlier attempts are over: a workflow is in one
 * state at a time.
 */
export const ATTEMPTS_KEPT = 4;
/** Keeps an update's expression below DynamoDB's 4 KB; what is left over goes with the next one. */
const REMOVED_MAX = 50;

const ATTEMPT = /^cmd\.([a-z0-9-]+)\.(\d+)$/;

/** Names of entries, such as `cmd.recover-source.7`, with newer attempts enough of the same step. */
export function outgrown(entries: Readonly<Record<string, unknown>>): string[] {
  const attempts = new Map<string, { name: string; attempt: number }[]>();
  for (const name of Object.keys(entries)) {
    // A wait for several commands has the names of all of them; they are of one attempt.
    const parts = name.split("+").map((part) => ATTEMPT.exec(part));
    if (parts.some((part) => part === null)) continue;
    const step = parts.map((part) => part?.[1]).join("+");
    const attempt = Number(parts[0]?.[2]);
    attempts.set(step, [...(attempts.get(step) ?? []), { name, attempt }]);
  }
  return [...attempts.values()]
    .flatMap((all) => all.sort((a, b) => b.attempt - a.attempt).slice(ATTEMPTS_KEPT))
    .map(({ name }) => name)
    .slice(0, REMOVED_MAX);
}

/** Rows that keep the answers of these signals in the timeline. */
export function answerRows(
  id: MigrationId,
  names: readonly string[],
  raised: Signals["raised"],
): Row[] {
  return names.flatMap((name) => {
    const outcome = raised[name];
    return outcome?.answer === undefined ? [] : [answerRow(id, outcome, outcome.answer)];
  });
}

function answerRow(
  id: MigrationId,
  { by }: Outcome,
  { host, atMs, verb, error }: NonNullable<Outcome["answer"]>,
): Row {
  const seq = Number(by.slice(by.indexOf("#") + 1));
  const type = error === undefined ? "command.completed" : "command.failed";
  return entryRow(id, { atMs, host, seq }, { type, detail: { verb, ...error } });
}

/** Removes entries of the item of signals. */
export async function removeEntries(
  id: MigrationId,
  part: "waiting" | "raised",
  entries: readonly string[],
): Promise<void> {
  if (entries.length === 0) return;
  await updateIf({
    key: keys.signals(id),
    update: `REMOVE ${entries.map((_, place) => `#${part}.#n${place}`).join(", ")}`,
    condition: "attribute_exists(pk)",
    names: Object.fromEntries(entries.map((name, place) => [`#n${place}`, name])),
  });
}

/** Removes a wait whose token has ended, unless it was registered again with another one. */
export async function removeWait(id: MigrationId, name: string, token: string): Promise<void> {
  await updateIf({
    key: keys.signals(id),
    update: "REMOVE #waiting.#entry",
    condition: "#waiting.#entry.#token = :token",
    names: { "#entry": name },
    values: { ":token": token },
  });
}
