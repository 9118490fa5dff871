import * as z from "zod";
import { CommandId, HostId, MigrationId, VmId } from "../../core/id.ts";
import { CommandError, Verb } from "../../core/protocol/command.ts";
import { keys } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import {
  deleteItem,
  expiresIn,
  getItem,
  getItems,
  putItem,
  updateIf,
  updateReadingOld,
} from "./table.ts";

/**
 * A command to a host, and the answer. Arguments are not stored: they may hold a secret. The result
 * is stored as text: no expression reads parts of it, and a probe has hundreds.
 */
const StoredCommand = z.object({
  id: CommandId,
  host: HostId,
  vm: VmId,
  migrationId: MigrationId.optional(),
  verb: Verb,
  state: z.enum(["sent", "completed", "failed"]),
  result: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .optional(),
  error: CommandError.optional(),
});
export type StoredCommand = z.infer<typeof StoredCommand>;

export type Answer =
  | { state: "completed"; result: unknown }
  | { state: "failed"; error: CommandError };

/** False when a command with that id exists. */
export async function createCommand(command: StoredCommand): Promise<boolean> {
  return putItem(
    { ...keys.command(command.id), ...command, ttl: expiresIn(keptSeconds.command) },
    "attribute_not_exists(pk)",
  );
}

export async function findCommand(id: CommandId): Promise<StoredCommand | undefined> {
  const item = await getItem(keys.command(id));
  return item === undefined ? undefined : StoredCommand.parse(item);
}

export async function findCommands(ids: CommandId[]): Promise<Map<string, StoredCommand>> {
  const items = await getItems(ids.map((id) => keys.command(id)));
  return new Map(
    items.map((item) => {
      const command = StoredCommand.parse(item);
      return [command.id, command];
    }),
  );
}

/** Marks an answered command as failed: its stored result cannot be used. */
export async function rejectAnswer(id: CommandId, error: CommandError): Promise<void> {
  await updateIf({
    key: keys.command(id),
    update: "SET #state = :failed, #error = :error REMOVE #result",
    condition: "#state = :completed",
    values: { ":failed": "failed", ":completed": "completed", ":error": error },
  });
}

/**
 * Stores a host's answer to a command that was sent to it. The first answer wins; a repeated one gets
 * the command as it was answered. Undefined for an unknown command, or one sent to another host.
 */
export async function answerCommand(
  id: CommandId,
  host: HostId,
  answer: Answer,
): Promise<StoredCommand | undefined> {
  const isCompleted = answer.state === "completed";
  const sent = await updateReadingOld({
    key: keys.command(id),
    update: "SET #state = :state, #answer = :answer",
    condition: "#state = :sent AND #host = :host",
    names: { "#answer": isCompleted ? "result" : "error" },
    values: {
      ":state": answer.state,
      ":answer": isCompleted ? JSON.stringify(answer.result) : answer.error,
      ":sent": "sent",
      ":host": host,
    },
  });
  if (sent !== undefined) return { ...StoredCommand.parse(sent), ...answer };
  const before = await findCommand(id);
  return before?.host === host && before.state !== "sent" ? before : undefined;
}

export async function removeCommand(id: CommandId): Promise<void> {
  await deleteItem(keys.command(id));
}
