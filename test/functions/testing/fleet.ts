import { DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import type * as z from "zod";
import type { HostId } from "../../../core/id.ts";
import type { Migration } from "../../../core/migration/migration.ts";
import type { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import { type Command, CommandEnvelope } from "../../../core/protocol/command.ts";
import type { AgentEvent, EventBody } from "../../../core/protocol/event.ts";
import type { Vm, VmDefinition } from "../../../core/vm.ts";
import { app as agentApp } from "../../../functions/agent-events/index.ts";
import { app as operatorApp } from "../../../functions/api/app.ts";
import { queues } from "../../../functions/runtime/clients.ts";
import { keys } from "../../../functions/store/keys.ts";
import { updateIf } from "../../../functions/store/table.ts";
import { OPERATOR_TOKEN } from "./cloud.ts";
import { undeclared } from "./declared.ts";
import { definition, facts, hostId } from "./fixtures.ts";
import { HostKey } from "./host-key.ts";

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> };

/**
 * Calls the operators' API with their token.
 *
 * @throws Error when the operation does not declare the answer
 */
export async function operate(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const request = new Request(`http://local${path}`, {
    method,
    headers: {
      authorization: `Bearer ${OPERATOR_TOKEN}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const answer = await answerOf(await operatorApp.request(request));
  const unknown = undeclared(method, path, answer);
  if (unknown.length > 0) throw new Error(`The API does not declare ${unknown.join("; ")}`);
  return answer;
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, headers: response.headers, body };
}

/** An agent as the cloud sees it: a key, a queue, events in order. */
export class TestAgent {
  readonly host: HostId;
  readonly key: HostKey;
  readonly queueUrl: string;
  seq = 0;

  constructor(host: HostId, key: HostKey, queueUrl: string) {
    this.host = host;
    this.key = key;
    this.queueUrl = queueUrl;
  }

  /** Posts a body as it is, signed for the host that it names. */
  async send(path: string, body: unknown, key = this.key): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const host = (body as { host?: HostId }).host ?? this.host;
    return post(path, text, key.headers(host, `/agent/v1/${path}`, text));
  }

  /** The next events of this host. */
  number(...bodies: EventBody[]): AgentEvent[] {
    return bodies.map((body) => {
      this.seq += 1;
      return { seq: this.seq, atMs: 1_800_000_000_000 + this.seq, body };
    });
  }

  async emit(...bodies: EventBody[]): Promise<Answer> {
    return this.send("events", { version: 1, host: this.host, events: this.number(...bodies) });
  }

  /** Commands in the queue now. */
  async take(): Promise<Command[]> {
    const texts = await this.takeTexts();
    return texts.map((text) => CommandEnvelope.parse(JSON.parse(text)).command);
  }

  /** Messages in the queue now, as they came. */
  async takeTexts(): Promise<string[]> {
    const { Messages = [] } = await queues().send(
      new ReceiveMessageCommand({ QueueUrl: this.queueUrl, MaxNumberOfMessages: 10 }),
    );
    return Promise.all(
      Messages.map(async ({ Body = "", ReceiptHandle }) => {
        await queues().send(new DeleteMessageCommand({ QueueUrl: this.queueUrl, ReceiptHandle }));
        return Body;
      }),
    );
  }

  /** Answers the one command in the queue. */
  async complete(result: unknown): Promise<Command> {
    const [command, ...more] = await this.take();
    if (command === undefined || more.length > 0) {
      throw new Error(
        `Expected one command for ${this.host}, got ${more.length + (command ? 1 : 0)}`,
      );
    }
    await this.emit({ type: "command.completed", commandId: command.id, result });
    return command;
  }
}

export type TestLimits = { slotsOut: number; slotsIn: number; prepareAhead?: number | undefined };

/** A host whose agent has registered. Unless it is said, nothing is prepared ahead of its slots. */
export async function addHost(
  id: string,
  limits: TestLimits = { slotsOut: 2, slotsIn: 2 },
): Promise<TestAgent> {
  const { status, body } = await operate("POST", "/v1/hosts", { id, prepareAhead: 0, ...limits });
  if (status !== 201) throw new Error(`Failed to add ${id}: ${JSON.stringify(body)}`);
  const { host, joinToken } = body as { host: { queueUrl: string }; joinToken: { token: string } };
  const agent = new TestAgent(hostId(id), new HostKey(), host.queueUrl);
  const joined = await join(agent, { joinToken: joinToken.token });
  if (joined.status !== 200) throw new Error(`${id} did not join: ${JSON.stringify(joined.body)}`);
  await agent.send("register", { host: id, facts });
  return agent;
}

/** Posts what gives a host a key. */
export function join(
  { host, key }: Pick<TestAgent, "host" | "key">,
  by: { joinToken: string } | { endorsement: string },
): Promise<Answer> {
  const body = JSON.stringify({ host, publicKey: key.publicKey, ...by });
  return post("join", body, key.headers(host, "/agent/v1/join", body));
}

/** Posts to the agents' API. */
export async function post(
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<Answer> {
  return answerOf(
    await agentApp.request(`/agent/v1/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    }),
  );
}

/** The agent was heard last ten minutes ago, and had promised heartbeats. @returns when */
export async function silence(agent: TestAgent): Promise<string> {
  const { host } = agent;
  await agent.send("register", { host, facts, instance: "i-1", heartbeatMs: 15_000 });
  const past = new Date(Date.now() - 600_000).toISOString();
  const update = "SET #lastEventAt = :past, #at = :past";
  await updateIf({ key: keys.hostHeard(host), update, values: { ":past": past } });
  return past;
}

/** A VM that runs on the agent's host. */
export async function addVm(id: string, agent: TestAgent, made: VmDefinition = definition) {
  // An earlier migration may have sent its discard.
  await agent.take();
  const { status, body } = await operate("POST", "/v1/vms", {
    id,
    host: agent.host,
    definition: made,
  });
  if (status !== 202) throw new Error(`Failed to add ${id}: ${JSON.stringify(body)}`);
  await agent.complete({
    definition: { ...made, machine: "pc-i440fx-10.0" },
    pid: 1,
    runState: "running",
  });
  return (await operate("GET", `/v1/vms/${id}`)).body as Vm;
}

export async function addMigration(
  vm: string,
  target: string,
  policy: z.input<typeof MigrationPolicy> = {},
): Promise<Migration> {
  const { status, body } = await operate("POST", "/v1/migrations", { vm, target, policy });
  if (status !== 202) throw new Error(`Failed to migrate ${vm}: ${JSON.stringify(body)}`);
  return body as Migration;
}

/** The target's agent has seen the guest of a migration. */
export async function arrive(
  target: TestAgent,
  { id: migrationId, vm, epoch }: Pick<Migration, "id" | "vm" | "epoch">,
  runState = "running",
): Promise<void> {
  await target.emit({ type: "migration.target-arrived", migrationId, vm, epoch, runState });
}
