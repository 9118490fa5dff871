import * as z from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { CommandId, MigrationId } from "../../core/id.ts";
import { Parties } from "../../core/migration/execution-input.ts";
import { Phase } from "../../core/migration/migration.ts";
import { Verb } from "../../core/protocol/command.ts";
import { task } from "../runtime/task.ts";
import { recordCommand, sendCommand } from "../service/dispatch-command.ts";
import { registerWait } from "../service/register-wait.ts";
import { requireSlots } from "../service/require-slots.ts";
import { type Entered, enterPhase } from "../store/migration-progress.ts";
import { findHandoverKey, readMigration, type StoredMigration } from "../store/migration-record.ts";
import type { Waiter } from "../store/signals.ts";
import { argsFor } from "./relay-args.ts";

const RelayInput = z.object({
  migrationId: MigrationId,
  parties: Parties,
  taskToken: z.string().min(1),
  attempt: z.int().min(1).max(9999),
  commands: z
    .array(
      z.object({
        step: z.string().regex(/^[a-z0-9-]{1,40}$/),
        verb: Verb,
        side: z.enum(["source", "target"]),
      }),
    )
    .min(1)
    .max(4),
  /** The signal to wait for, instead of the commands' answers. */
  awaits: z.string().optional(),
  interruptible: z.boolean(),
  /** A prepared migration takes its transfer slots first. */
  takesSlots: z.boolean().default(false),
  phase: Phase.optional(),
});
type RelayInput = z.infer<typeof RelayInput>;
type Step = RelayInput["commands"][number] & { id: CommandId; signal: string };

/**
 * Workflow task with token: sends commands to the hosts of a migration and waits for their answers,
 * or for a signal. The wait and the commands are written before anything is sent, so no answer can
 * come too early. Called again with the same steps, it sends the unanswered commands again.
 *
 * @throws StaleMigration when the migration has ended or is on its way back
 * @throws SlotsTaken, HostClosed, MigrationCancelled when it was to take its slots, and has none
 */
export const handler = task(async (event): Promise<Record<string, never>> => {
  const input = RelayInput.parse(event);
  if (input.takesSlots) await requireSlots(input.migrationId);
  const steps = input.commands.map((command) => step(input, command));
  const needsKey = steps.some(({ verb }) => verb === "target.prepare" || verb === "source.start");
  const waiter = waiterFor(input, steps);
  const { entered, signals, settled } = await registerWait(
    input.migrationId,
    waiter.names.join("+"),
    waiter,
    Promise.all([
      enter(input),
      needsKey ? findHandoverKey(input.migrationId) : undefined,
      ...steps.map((one) => recordStep(input, one)),
    ]),
  );
  const [{ migration, recorded }, handoverKey] = entered;
  const open = steps.filter(({ signal }) => signals.raised[signal] === undefined);
  const toSend = settled === undefined ? open : [];
  await sendAll(input, migration, toSend, handoverKey).finally(() => recorded);
  return {};
});

async function sendAll(input: RelayInput, migration: StoredMigration, open: Step[], key?: string) {
  if (open.length === 0) return;
  // An execution of an earlier version does not know that a prepared migration has no slots yet.
  if (input.phase === "precopy" && migration.slots === "preparing") {
    await requireSlots(migration.id);
  }
  await Promise.all(open.map((one) => send(migration, one, key)));
}

function step(input: RelayInput, command: RelayInput["commands"][number]): Step {
  const suffix = `${command.step}.${input.attempt}`;
  return {
    ...command,
    id: CommandId.parse(`${input.migrationId}.${suffix}`),
    signal: `cmd.${suffix}`,
  };
}

async function enter(input: RelayInput): Promise<Entered> {
  if (input.phase !== undefined) return enterPhase(input.migrationId, input.phase);
  const migration = await readMigration(input.migrationId);
  const isAfterEnd = input.commands.every(({ verb }) => verb === "source.discard");
  if (migration.status === "running" || (isAfterEnd && migration.status === "completed")) {
    return { migration, recorded: Promise.resolve() };
  }
  throw new StaleMigration(`Failed to send commands: ${migration.id} is ${migration.status}`);
}

/** A failed observation does not fail the wait: the other side's answer is still needed. */
function waiterFor(input: RelayInput, steps: Step[]): Waiter {
  return {
    token: input.taskToken,
    names: input.awaits === undefined ? steps.map(({ signal }) => signal) : [input.awaits],
    failOn: steps.flatMap(({ verb, signal }) => (verb === "migration.observe" ? [] : [signal])),
    interruptible: input.interruptible,
  };
}

async function recordStep({ migrationId, parties }: RelayInput, { id, verb, side }: Step) {
  await recordCommand({ id, verb, host: parties[side], vm: parties.vm, migrationId });
}

async function send(migration: StoredMigration, { id, verb, side }: Step, key?: string) {
  await sendCommand({
    id,
    host: migration[side],
    queueUrl: migration.queueUrls[side],
    vm: migration.vm,
    migrationId: migration.id,
    epoch: migration.epoch,
    verb,
    args: argsFor(verb, migration, key),
  });
}
