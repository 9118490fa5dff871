import { SendMessageCommand } from "@aws-sdk/client-sqs";
import type { CommandId, HostId, MigrationId, VmId } from "../../core/id.ts";
import type { ArgsOf, Verb } from "../../core/protocol/command.ts";
import { Command, verbs } from "../../core/protocol/command.ts";
import { queues } from "../runtime/clients.ts";
import { signCommand } from "../runtime/command-signer.ts";
import { createCommand } from "../store/commands.ts";
import { expirySecondsOf } from "./command-times.ts";
import { orUnavailable } from "./or-unavailable.ts";

export type Order<V extends Verb = Verb> = {
  id: CommandId;
  host: HostId;
  queueUrl: string;
  vm: VmId;
  migrationId?: MigrationId | undefined;
  epoch: number;
  verb: V;
  args: ArgsOf<V>;
};

/**
 * Stores a command and sends it to its host. The same order again sends it again under the same id:
 * the agent answers a command that it knows from its journal, so nothing is done twice.
 *
 * @throws ZodError when the arguments do not fit the verb: then nothing is stored
 * @throws Problem host-unreachable
 */
export async function dispatch<V extends Verb>(order: Order<V>): Promise<void> {
  const text = envelopeOf(order);
  await recordCommand(order);
  await orUnavailable("host-unreachable", () => send(order.queueUrl, text));
}

/** Stores a command before it is sent: answers are checked against it. */
export async function recordCommand(
  asked: Pick<Order, "id" | "host" | "vm" | "migrationId" | "verb">,
) {
  const { id, host, vm, migrationId, verb } = asked;
  await createCommand({ id, host, vm, migrationId, verb, state: "sent" });
}

/**
 * Sends a command that was stored.
 *
 * @throws ZodError when the arguments do not fit the verb
 */
export async function sendCommand<V extends Verb>(order: Order<V>): Promise<void> {
  await send(order.queueUrl, envelopeOf(order));
}

async function send(queueUrl: string, text: string): Promise<void> {
  await queues().send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: text }));
}

function envelopeOf<V extends Verb>(order: Order<V>): string {
  const { id, host, vm, migrationId, epoch, verb } = order;
  const args = verbs[verb].args.parse(order.args);
  const issued = Date.now();
  const times = {
    issuedAt: new Date(issued).toISOString(),
    expiresAt: new Date(issued + expirySecondsOf(verb) * 1000).toISOString(),
  };
  const command = Command.parse({ id, host, vm, migrationId, epoch, verb, args, ...times });
  return JSON.stringify(signCommand(command));
}
