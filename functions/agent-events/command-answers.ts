import type { HostId } from "../../core/id.ts";
import { type CommandError, verbs } from "../../core/protocol/command.ts";
import type { AgentEvent, EventBody } from "../../core/protocol/event.ts";
import { endGuest } from "../service/end-guest.ts";
import { type Answer, answerCommand, rejectAnswer, type StoredCommand } from "../store/commands.ts";
import type { EventKey } from "../store/keys.ts";
import { recordGivenUp, recordPrepared, recordRecovery } from "../store/migration-events.ts";
import { recordStarted } from "../store/vms.ts";
import { admitByFreeMemory } from "./guest-exits.ts";
import type { PendingWrites } from "./pending-writes.ts";

type CommandBody = Extract<EventBody, { type: "command.completed" | "command.failed" }>;

/** DynamoDB's limit of an item is 400 KB. */
const RESULT_BYTES_MAX = 256 * 1024;
/** Of an error's text beside the answers of other steps; the command's own record has all of it. */
export const MESSAGE_BYTES_MAX = 1_000;

/**
 * Applies a host's answer to a command. Changes nothing for a command that was not sent to this host,
 * or that was answered before.
 */
export async function applyAnswer(
  host: HostId,
  event: AgentEvent,
  body: CommandBody,
  pending: PendingWrites,
): Promise<void> {
  const answered = await answerCommand(body.commandId, host, answerOf(body));
  if (answered === undefined) return;
  const command = await checkResult(answered);
  const at = { atMs: event.atMs, host, seq: event.seq };
  if (command.migrationId === undefined) return applyVmAnswer(command, at);
  await applyMigrationAnswer(command, command.migrationId, at, pending);
}

async function applyMigrationAnswer(
  command: StoredCommand,
  id: NonNullable<StoredCommand["migrationId"]>,
  at: EventKey,
  pending: PendingWrites,
): Promise<void> {
  if (command.verb === "target.prepare" && command.state === "completed") {
    const { givenUp = [], ...prepared } = verbs["target.prepare"].result.parse(command.result);
    await recordGivenUp(id, at.host, givenUp);
    await recordPrepared(id, at.host, prepared);
  }
  if (command.verb === "target.recover" && command.state === "completed") {
    const { migrationUri } = verbs["target.recover"].result.parse(command.result);
    await recordRecovery(id, at.host, migrationUri);
  }
  const { verb } = command;
  const error = command.error === undefined ? undefined : shortened(command.error);
  const { host, atMs } = at;
  pending.raise(id, {
    name: `cmd.${command.id.slice(id.length + 1)}`,
    outcome: {
      at: new Date().toISOString(),
      by: `${host}#${at.seq}`,
      answer: { host, atMs, verb, ...(error === undefined ? {} : { error }) },
    },
  });
}

async function applyVmAnswer(command: StoredCommand, at: EventKey): Promise<void> {
  const { verb, vm, host, error } = command;
  if (verb === "guest.start" || verb === "guest.adopt") {
    if (error === undefined) {
      const { definition, runState } = verbs[verb].result.parse(command.result);
      const { atMs, seq } = at;
      return recordStarted(vm, host, { definition, runState, atMs, seq });
    }
    await endGuest(vm, host, { state: "failed", detail: `${error.code}: ${error.message}` });
    await admitByFreeMemory(host);
  }
  if (verb === "guest.stop" && (error === undefined || error.code === "not-found")) {
    await endGuest(vm, host, { state: "stopped" });
    await admitByFreeMemory(host);
  }
}

function answerOf(body: CommandBody): Answer {
  if (body.type === "command.failed") return { state: "failed", error: body.error };
  if (Buffer.byteLength(JSON.stringify(body.result ?? null)) <= RESULT_BYTES_MAX) {
    return { state: "completed", result: body.result ?? null };
  }
  const error = invalid(`the answer has more than ${RESULT_BYTES_MAX} bytes`);
  return { state: "failed", error };
}

/** A result that does not fit its verb's schema fails the command: it cannot be used. */
async function checkResult(command: StoredCommand): Promise<StoredCommand> {
  if (command.state !== "completed") return command;
  const result = verbs[command.verb].result.safeParse(command.result);
  if (result.success) return { ...command, result: result.data };
  const error = invalid(`${command.verb} was answered with ${result.error.message}`);
  await rejectAnswer(command.id, error);
  return { ...command, state: "failed", result: undefined, error };
}

function invalid(message: string): CommandError {
  return { code: "invalid", message: message.slice(0, 4_000) };
}

function shortened({ code, message }: CommandError): CommandError {
  const bytes = Buffer.from(message).subarray(0, MESSAGE_BYTES_MAX);
  // As a stream it leaves out a last character that was cut.
  return { code, message: new TextDecoder().decode(bytes, { stream: true }) };
}
