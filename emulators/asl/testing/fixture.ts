import { setTimeout as delay } from "node:timers/promises";
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { type FunctionHandler, functionRegistry } from "../../aws/lambda/registry.ts";
import { startLambda } from "../../aws/lambda/server.ts";
import { type StepFunctionsOptions, startStepFunctions } from "../server.ts";

export const ROLE = "arn:aws:iam::000000000000:role/test";
export const INVOKE = "arn:aws:states:::lambda:invoke";
export const INVOKE_WITH_TOKEN = `${INVOKE}.waitForTaskToken`;

export function functionArn(name: string): string {
  return `arn:aws:lambda:eu-central-1:000000000000:function:${name}`;
}

export type States = Readonly<Record<string, object>>;

/** A definition that starts at its first state. */
export function machine(states: States, fields: object = {}): object {
  return { QueryLanguage: "JSONata", StartAt: Object.keys(states)[0], States: states, ...fields };
}

/** A Task that calls a function and puts out its payload. */
export function invoke(name: string, payload: unknown, fields: object = { End: true }): object {
  return {
    Type: "Task",
    Resource: INVOKE,
    Arguments: { FunctionName: functionArn(name), Payload: payload },
    Output: "{% $states.result.Payload %}",
    ...fields,
  };
}

/** A Task that gives its token to a function and waits for it. */
export function waitForToken(name: string, fields: object = { End: true }): object {
  return {
    Type: "Task",
    Resource: INVOKE_WITH_TOKEN,
    Arguments: {
      FunctionName: functionArn(name),
      Payload: { token: "{% $states.context.Task.Token %}" },
    },
    ...fields,
  };
}

export type Fixture = {
  readonly client: SFNClient;
  readonly endpoint: string;
  /** Creates a machine of its own and returns its ARN. */
  create(definition: object): Promise<string>;
  start(stateMachineArn: string, input?: unknown, name?: string): Promise<string>;
  /** Creates a machine, runs it, and waits for the end. */
  run(definition: object, input?: unknown): Promise<DescribeExecutionCommandOutput>;
  describe(executionArn: string): Promise<DescribeExecutionCommandOutput>;
  ended(executionArn: string): Promise<DescribeExecutionCommandOutput>;
  events(executionArn: string): Promise<HistoryEvent[]>;
  succeed(taskToken: string, output: unknown): Promise<unknown>;
  fail(taskToken: string, error: string, cause: string): Promise<unknown>;
  beat(taskToken: string): Promise<unknown>;
  close(): Promise<void>;
};

/**
 * Step Functions with functions run in this process, and the real SDK client for them. SFN_ENDPOINT
 * names another engine to try in place of ours; it calls the functions at SWITCHYARD_PORT + 4.
 */
export async function startFixture(
  handlers: Readonly<Record<string, FunctionHandler>>,
  options: Partial<StepFunctionsOptions> = {},
): Promise<Fixture> {
  const registry = functionRegistry();
  for (const [name, handler] of Object.entries(handlers)) registry.register(name, handler);
  const { SFN_ENDPOINT: outside, SWITCHYARD_PORT: port } = process.env;
  if (outside !== undefined) {
    const lambda = await startLambda({ registry, port: Number(port) + 4 });
    return connect(outside, () => lambda.close());
  }
  const server = await startStepFunctions({
    invoke: (name, payload, signal) => registry.invoke(name, payload, signal),
    ...options,
  });
  return connect(server.endpoint, () => server.close());
}

const ENDED_WITHIN_MS = 20_000;
const POLL_MS = 5;

/** The same over Step Functions that run elsewhere. */
export function connect(endpoint: string, close: () => Promise<void>): Fixture {
  const client = new SFNClient({
    endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  });
  let machines = 0;
  const fixture: Fixture = {
    client,
    endpoint,
    create: async (definition) => {
      machines += 1;
      const { stateMachineArn } = await client.send(
        new CreateStateMachineCommand({
          name: `machine-${machines}-${Date.now()}`,
          roleArn: ROLE,
          definition: JSON.stringify(definition),
        }),
      );
      return String(stateMachineArn);
    },
    start: async (stateMachineArn, input = {}, name) => {
      const { executionArn } = await client.send(
        new StartExecutionCommand({
          stateMachineArn,
          input: JSON.stringify(input),
          ...(name !== undefined && { name }),
        }),
      );
      return String(executionArn);
    },
    run: async (definition, input) =>
      fixture.ended(await fixture.start(await fixture.create(definition), input)),
    describe: (executionArn) => client.send(new DescribeExecutionCommand({ executionArn })),
    ended: async (executionArn) => {
      const deadline = Date.now() + ENDED_WITHIN_MS;
      for (;;) {
        const execution = await fixture.describe(executionArn);
        if (execution.status !== "RUNNING") return execution;
        if (Date.now() > deadline) throw new Error(`${executionArn} did not end`);
        await delay(POLL_MS);
      }
    },
    events: async (executionArn) => {
      const events: HistoryEvent[] = [];
      let nextToken: string | undefined;
      do {
        const page = await client.send(
          new GetExecutionHistoryCommand({ executionArn, nextToken, maxResults: 1000 }),
        );
        events.push(...(page.events ?? []));
        nextToken = page.nextToken;
      } while (nextToken !== undefined);
      return events;
    },
    succeed: (taskToken, output) =>
      client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(output) })),
    fail: (taskToken, error, cause) =>
      client.send(new SendTaskFailureCommand({ taskToken, error, cause })),
    beat: (taskToken) => client.send(new SendTaskHeartbeatCommand({ taskToken })),
    close: async () => {
      client.destroy();
      await close();
    },
  };
  return fixture;
}

/** The output of an execution that should have succeeded. */
export function outputOf(execution: DescribeExecutionCommandOutput): unknown {
  if (execution.status === "SUCCEEDED") return JSON.parse(String(execution.output));
  throw new Error(`${execution.status}: ${execution.error} ${execution.cause}`);
}

/** Tokens that functions were given, in order: `handler` stores them, `next` waits for them. */
export function tokenTray(): { handler: FunctionHandler; next(): Promise<string>; count: number } {
  const tokens: string[] = [];
  const waiting: ((token: string) => void)[] = [];
  return {
    get count() {
      return tokens.length;
    },
    handler: async (event) => {
      const { token } = event as { token: string };
      const waiter = waiting.shift();
      if (waiter) waiter(token);
      else tokens.push(token);
      return {};
    },
    next: async () => {
      const token = tokens.shift();
      return token ?? new Promise((resolve) => waiting.push(resolve));
    },
  };
}
