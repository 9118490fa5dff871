import { createHash } from "node:crypto";
import { join } from "node:path";
import { LambdaClient } from "@aws-sdk/client-lambda";
import type { Logger } from "pino";
import { type FunctionName, functionDescriptions } from "../deployment/functions.ts";
import { scheduleMinutes } from "../deployment/schedules.ts";
import { type StateMachineName, stateMachineNames } from "../deployment/state-machines.ts";
import { startStepFunctions } from "../emulators/asl/server.ts";
import type { InProcessTransport } from "../emulators/aws/aws-json/in-process-transport.ts";
import { systemClock } from "../emulators/aws/clock.ts";
import { startDynamodb } from "../emulators/aws/dynamodb/dynamodb.ts";
import type { Credentials } from "../emulators/aws/http/signature.ts";
import { invokeOverHttp } from "../emulators/aws/lambda/invoke-over-http.ts";
import { type FunctionRegistry, functionRegistry } from "../emulators/aws/lambda/registry.ts";
import { startLambda } from "../emulators/aws/lambda/server.ts";
import { startSqs } from "../emulators/aws/sqs/sqs.ts";
import { closeClients, overrideTransport, type Service } from "../functions/runtime/clients.ts";
import { type DataFolder, dataFiles, type StoredService } from "./data-folder.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { hostPrincipals, hostQueueSecretOf } from "./host-principals.ts";
import {
  createDeadLetterQueue,
  createStateMachine,
  createTable,
  requireTable,
} from "./resources.ts";
import { scheduleSweep } from "./sweep.ts";

const ACCOUNT = "000000000000";
const REGION = "us-east-1";
const TABLE = "switchyard";
const ACCESS_KEY = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const DEAD_LETTER_QUEUE = "switchyard-dead-letters";
/** The local services check no rights. */
const ROLE_ARN = `arn:aws:iam::${ACCOUNT}:role/local`;
const functionArn = (name: FunctionName) => `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`;
const machineArn = (name: StateMachineName) =>
  `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:switchyard-${name}`;

export type LocalCloudOptions = {
  /** Port of the API; the services take the next four. 0 (default): any free ports. */
  port?: number;
  /** The folder that holds all state; in memory without it. The caller closes it at the end. */
  folder?: DataFolder | undefined;
  /** The token that operators authenticate with. */
  operatorToken: string;
  /** The key that the services accept, unless AWS_ACCESS_KEY_ID names another. */
  accessKey: Credentials;
  /** The key that commands are signed with, unless COMMAND_SIGNING_KEY is another. */
  signingKey: string;
  /**
   * How the functions call DynamoDB, SQS and Step Functions, and Step Functions the functions:
   * within this process (the default: no connection, no signature), or over HTTP with signatures,
   * as on AWS. Everybody else always uses HTTP with signatures.
   */
  transport?: "in-process" | "http";
  log: Logger;
};

export type LocalCloud = {
  /** Base URL of the API, for operators and agents. */
  apiUrl: string;
  /** Environment variables for the AWS SDK of an agent: where the queues are. */
  agentEnvironment: Record<string, string>;
  /** Environment variables for the AWS SDK of any other client, such as the AWS CLI. */
  environment: Record<string, string>;
  close(): Promise<void>;
};

type Part = { endpoint: string; transport?: InProcessTransport; close(): Promise<void> };

/**
 * The cloud on one machine: DynamoDB, SQS, Step Functions and Lambda on loopback, and the project's
 * own functions behind them, unchanged. A service whose AWS_ENDPOINT_URL_* is set already is not
 * started: that endpoint is used, over HTTP. Each service accepts only requests that are signed
 * with the access key in `environment`; calls within the process (ADR 9) have no signature. Sets
 * AWS_* and the functions' configuration in `process.env`: one local cloud per process.
 */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const { port = 0, folder, log, transport = "in-process" } = options;
  const parts: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const part of parts.splice(0).reverse()) await part.close();
  };
  const place = (offset: number) => ({
    port: port === 0 ? 0 : port + offset,
    credentials: credentials(),
    logger: log,
  });
  const data = (service: StoredService) =>
    folder && {
      dataDir: join(folder.path, dataFiles.services[service]),
      generation: folder.generation,
    };
  try {
    setDefaults(options);
    const servesQueues = storedServices().includes("SQS");
    const queueSecret = hostQueueSecretOf(credentials().secretAccessKey);
    if (servesQueues) process.env.HOST_QUEUE_SECRET = queueSecret;
    const keepsTable = storedServices().includes("DYNAMODB");
    const registry = functionRegistry({ region: REGION, accountId: ACCOUNT });
    const run = async (service: Service, start: () => Promise<Part>) => {
      const variable = `AWS_ENDPOINT_URL_${service}`;
      if (process.env[variable] !== undefined) return;
      const part = await start();
      parts.push({
        close: async () => {
          delete process.env[variable];
          await part.close();
        },
      });
      process.env[variable] = part.endpoint;
      if (transport === "http" || part.transport === undefined) return;
      overrideTransport(service, part.transport);
    };
    const findPrincipal = hostPrincipals(queueSecret);
    const { now } = systemClock;
    await run("SQS", () => startSqs({ ...place(1), ...data("SQS"), findPrincipal, now }));
    await run("DYNAMODB", () => startDynamodb({ ...place(2), ...data("DYNAMODB") }));
    await run("LAMBDA", () => startLambda({ registry, ...place(4) }));
    if (folder?.isNew === false && keepsTable) await requireTable(folder, TABLE);
    else await createTable(TABLE);
    process.env.DEAD_LETTER_QUEUE_ARN = await createDeadLetterQueue(DEAD_LETTER_QUEUE);
    const gateway = await register(registry, port);
    parts.push(gateway);
    await run("SFN", () =>
      startStepFunctions({
        invoke: transport === "http" ? httpInvoke(parts) : registry.invoke,
        region: REGION,
        accountId: ACCOUNT,
        ...place(3),
        ...data("SFN"),
      }),
    );
    for (const name of stateMachineNames) {
      await createStateMachine(name, { arn: machineArn(name), functionArn, roleArn: ROLE_ARN });
    }
    const { scheduledHandlers } = await import("../functions/task/tasks.ts");
    const endSweeps = scheduleSweep(scheduledHandlers.sweep, {
      intervalMs: scheduleMinutes.sweep * 60_000,
      log,
    });
    parts.push({ close: endSweeps });
    return { apiUrl: gateway.url, ...environments(servesQueues), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The services with data that this process runs itself. */
export function storedServices(): StoredService[] {
  const all: StoredService[] = ["DYNAMODB", "SQS", "SFN"];
  return all.filter((service) => process.env[`AWS_ENDPOINT_URL_${service}`] === undefined);
}

/** The SDK needs a region and an access key to start at all; those of the environment are kept. */
function setDefaults({ operatorToken, accessKey, signingKey }: LocalCloudOptions): void {
  process.env.AWS_REGION ??= REGION;
  process.env.AWS_ACCESS_KEY_ID ??= accessKey.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY ??= accessKey.secretAccessKey;
  process.env.TABLE_NAME = TABLE;
  process.env.MIGRATION_STATE_MACHINE_ARN = machineArn("migration");
  process.env.EVACUATION_STATE_MACHINE_ARN = machineArn("evacuation");
  process.env.AGENT_EVENTS_FUNCTION = "agent-events";
  process.env.COMMAND_SIGNING_KEY ??= signingKey;
  process.env.OPERATOR_TOKEN_SHA256 = createHash("sha256").update(operatorToken).digest("hex");
}

/** The one access key of the local cloud. */
function credentials(): Credentials {
  const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = process.env;
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
}

/** One attempt without a deadline: the function's own timeout and the state's Retry decide. */
function httpInvoke(parts: { close(): Promise<void> }[]) {
  const requestHandler = { httpAgent: { keepAlive: true, maxSockets: 256 } };
  const client = new LambdaClient({ maxAttempts: 1, requestHandler });
  parts.push({ close: async () => client.destroy() });
  return (name: string, event: unknown, signal: AbortSignal) =>
    invokeOverHttp(client, name, event, signal);
}

/** The functions read their configuration when they are loaded, so they are loaded only here. */
async function register(registry: FunctionRegistry, port: number): Promise<Gateway> {
  const { evacuationHandlers, scheduledHandlers, taskHandlers } = await import(
    "../functions/task/tasks.ts"
  );
  const agentEvents = await import("../functions/agent-events/index.ts");
  const handlers = {
    ...taskHandlers,
    ...evacuationHandlers,
    ...scheduledHandlers,
    "agent-events": agentEvents.handler,
  };
  for (const name of Object.keys(handlers) as (keyof typeof handlers)[]) {
    const { timeoutSeconds } = functionDescriptions[name];
    registry.register(name, handlers[name], { timeoutMs: timeoutSeconds * 1000 });
  }
  const { app: api } = await import("../functions/api/app.ts");
  const gateway = await startGateway({ api, agents: agentEvents.app, port });
  return {
    ...gateway,
    close: async () => {
      await gateway.close();
      closeClients();
    },
  };
}

/** A host gets an access key of its own when it registers, unless somebody else serves the queues. */
function environments(servesQueues: boolean) {
  const ofAgents = ["AWS_ENDPOINT_URL_SQS", "AWS_REGION"];
  const others = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SFN", "AWS_ENDPOINT_URL_LAMBDA"];
  return {
    agentEnvironment: pick(servesQueues ? ofAgents : [...ofAgents, ...ACCESS_KEY]),
    environment: pick([...ofAgents, ...ACCESS_KEY, ...others]),
  };
}

function pick(names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
