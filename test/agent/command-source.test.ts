import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandSource } from "../../agent/cloud/command-source.ts";
import { CommandLog } from "../../agent/command/command-log.ts";
import { Dispatcher, type Handler, type Handlers } from "../../agent/command/dispatcher.ts";
import type { Log } from "../../agent/runtime/log.ts";
import { quietLog } from "../../agent/runtime/testing/quiet-log.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { CommandId, HostId, VmId } from "../../core/id.ts";
import { type Command, Verb } from "../../core/protocol/command.ts";
import type { ServiceLogger } from "../../emulators/aws/aws-json/answer.ts";
import { type Sqs, startSqs } from "../../emulators/aws/sqs/sqs.ts";
import { sqsClient } from "../../emulators/aws/testing/clients.ts";
import { waitUntil } from "../../rig/wait-until.ts";

let service: Sqs;
let sqs: SQSClient;
let queueUrl: string;
let operations: string[];
/** How far the queue's clock is ahead. */
let aheadMs: number;

beforeEach(async () => {
  operations = [];
  aheadMs = 0;
  const debug = (line: object) =>
    operations.push(String((line as { operation: string }).operation));
  const logger = { debug, error: () => undefined } as unknown as ServiceLogger;
  service = await startSqs({ logger, now: () => Date.now() + aheadMs });
  sqs = sqsClient(service.endpoint);
  queueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: "host-a" }))).QueueUrl ?? "";
});

afterEach(async () => {
  sqs.destroy();
  await service.close();
});

async function send(count: number): Promise<void> {
  for (let place = 0; place < count; place += 1) {
    const MessageBody = `command ${place + 1}`;
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
  }
}

/** In the queue or given out, and not deleted. */
async function left(): Promise<number> {
  const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...names] }),
  );
  return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
}

async function take(count: number, handle: (body: string) => Promise<void>, log = quietLog()) {
  await send(count);
  let taken = 0;
  const counted = (body: string) => {
    taken += 1;
    return handle(body);
  };
  const source = new CommandSource({ sqs, queueUrl, handle: counted, log });
  source.start();
  await waitUntil("all commands", () => (taken === count ? true : undefined));
  return source;
}

describe("commands from the queue", () => {
  it("are deleted together, later, and when it is stopped at once", async () => {
    const source = await take(12, async () => undefined);
    expect(await left()).toBe(12);
    await source.stop();
    expect(await left()).toBe(0);
    const deletes = operations.filter((operation) => operation.startsWith("Delete"));
    expect(deletes).toEqual(["DeleteMessageBatch", "DeleteMessageBatch"]);
  });

  it("stay in the queue when their answer could not be made durable", async () => {
    const source = await take(3, async (body) => {
      if (body === "command 2") throw new Error("disk full");
    });
    await source.stop();
    expect(await left()).toBe(1);
  });

  it("are waited for by a stop, but not for ever", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const source = await take(1, () => promise);
    await source.stop(50);
    expect(await left()).toBe(1);
    resolve();
    await source.stop();
    expect(await left()).toBe(0);
  });
});

/** Requests to delete are lost, as those that a machine under load aborts. */
function loseDeletes(): () => void {
  const name = "loseDeletes";
  sqs.middlewareStack.add(
    (next, { commandName }) =>
      async (call) => {
        if (commandName !== "DeleteMessageBatchCommand") return next(call);
        throw Object.assign(new Error("Request aborted"), { name: "AbortError" });
      },
    { step: "initialize", name },
  );
  return () => sqs.middlewareStack.remove(name);
}

/** What is logged as a warning or an error. */
function listeningLog(): { log: Log; lines: { level: string; message: string; count?: number }[] } {
  const lines: { level: string; message: string; count?: number }[] = [];
  const at = (level: string) => (fields: { count?: number }, message: string) =>
    lines.push({ level, message, ...(fields.count === undefined ? {} : { count: fields.count }) });
  const log = Object.assign(quietLog(), { warn: at("warn"), error: at("error") }) as Log;
  return { log, lines };
}

describe("a request to delete that is lost", () => {
  it("is logged as that, once, and not as commands that could not be handled", async () => {
    const { log, lines } = listeningLog();
    loseDeletes();
    const source = await take(3, async () => undefined, log);
    await source.stop();
    const message = "commands were handled but could not be deleted, they will come again";
    expect(lines).toEqual([{ level: "warn", message, count: 3 }]);
    expect(await left()).toBe(3);
  });

  it("has no command done twice: it comes again, and gets the recorded answer", async () => {
    const done: string[] = [];
    const answers: string[] = [];
    const dispatcher = testDispatcher(done, answers);
    const handle = () => dispatcher.take(command);
    const restore = loseDeletes();
    const first = await take(1, handle);
    await first.stop();
    restore();
    aheadMs = 60_000;
    const again = new CommandSource({ sqs, queueUrl, handle, log: quietLog() });
    again.start();
    await waitUntil("the second answer", () => (answers.length === 2 ? true : undefined));
    await again.stop();
    expect(done).toEqual([command.id]);
    expect(answers).toEqual(["command.completed", "command.completed"]);
    expect(await left()).toBe(0);
  });
});

const command: Command = {
  id: CommandId.parse("vm1.discard.1"),
  host: HostId.parse("here"),
  vm: VmId.parse("vm1"),
  epoch: 1,
  verb: "target.discard",
  args: {},
  issuedAt: new Date().toISOString(),
  expiresAt: new Date(Date.now() + 600_000).toISOString(),
};

function testDispatcher(done: string[], answers: string[]): Dispatcher {
  const handler: Handler = async ({ id }) => {
    done.push(id);
    return { discarded: true };
  };
  return new Dispatcher({
    host: command.host,
    handlers: Object.fromEntries(Verb.options.map((verb) => [verb, handler])) as Handlers,
    commands: new CommandLog(testFolder()),
    emit: ({ type }) => answers.push(type),
    log: quietLog(),
  });
}
