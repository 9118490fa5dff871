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
import { startScheduler } from "../emulators/aws/scheduler/scheduler.ts";
import { type Sqs, startSqs } from "../emulators/aws/sqs/sqs.ts";
import { closeClients, overrideTransport, type Service } from "../functions/runtime/clients.ts";
import type { Receivers } from "../functions/runtime/receiver-kinds.ts";
import { type DataFolder, dataFiles, type StoredService } from "./data-folder.ts";
import { QUEUES_PATH } from "./gateway.ts";
import { type Listen, startGateways } from "./gateways.ts";
import { hostPrincipals, hostQueueSecretOf } from "./host-principals.ts";
import {
  createDeadLetterQueue,
  createStateMachine,
  createTable,
  requireTable,
} from "./resources.ts";
import { scheduleCalls } from "./scheduled-calls.ts";

/** Of the built-in services; that of another Step Functions is in the ARNs that it answers. */
const ACCOUNT = "000000000000";
const REGION = "us-east-1";
const ACCESS_KEY = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
/** Here a call costs nothing: webhooks are delivered soon, one round at a time. */
const webhookCalls = { intervalMs: 5_000, input: { workMs: 4_000 } };
/** The local services check no rights. */
const ROLE_ARN = `arn:aws:iam::${ACCOUNT}:role/local`;

export type LocalCloudOptions = {
  /**
   * Name of the installation (default `switchyard`), which its table, queues and state machines
   * carry: 1 to 10 lower-case letters, digits and hyphens. Installations that share a service have
   * names of their own.
   */
  name?: string;
  /** Port of the API; the services take the next five. 0 (default): any free ports. */
  port?: number;
  /** The folder that holds all state; in memory without it. The caller closes it at the end. */
  folder?: DataFolder | undefined;
  /** What is answered is on the disk. Default: a power cut may lose the last changes. */
  flush?: boolean;
  /** Where operators and agents of other machines reach the API and the hosts' queues. */
  listen?: Listen | undefined;
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
  /** Which addresses webhooks may be delivered to (default: public ones). */
  webhookReceivers?: Receivers;
  log: Logger;
};

export type LocalCloud = {
  /** Base URL of the API on loopback. */
  apiUrl: string;
  /** Base URL of the API for other machines; undefined: they do not reach it. */
  publicUrl: string | undefined;
  /** The dashboard, with a code that signs the first one in who opens it. */
  dashboardUrl: string;
  /** Environment variables for the AWS SDK of an agent: where the queues are. */
  agentEnvironment: Record<string, string>;
  /** Environment variables for the AWS SDK of any other client, such as the AWS CLI. */
  environment: Record<string, string>;
  close(): Promise<void>;
};

const services: Service[] = ["SQS", "DYNAMODB", "SFN", "LAMBDA", "SCHEDULER"];

type Part = { endpoint: string; transport?: InProcessTransport; close(): Promise<void> };

/**
 * The cloud on one machine: DynamoDB, SQS, Step Functions, Lambda and EventBridge Scheduler on
 * loopback, and the project's own functions behind them, unchanged. With `listen` other machines
 * reach the API and the hosts' queues, and nothing else. A service whose AWS_ENDPOINT_URL_* is set
 * already is not started: that endpoint is used, over HTTP. Each service accepts only requests that
 * are signed with the access key in `environment`; calls within the process (ADR 9) have no
 * signature. Sets AWS_* and the functions' configuration in `process.env`: one local cloud per
 * process.
 */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const { name = "switchyard", port = 0, folder, log, transport = "in-process", listen } = options;
  const parts: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const part of parts.splice(0).reverse()) await part.close();
  };
  try {
    setDefaults({ ...options, name });
    const servesQueues = storedServices().includes("SQS");
    const queueSecret = hostQueueSecretOf(credentials().secretAccessKey);
    if (servesQueues) process.env.HOST_QUEUE_SECRET = queueSecret;
    const keepsTable = storedServices().includes("DYNAMODB");
    const keepsMachines = storedServices().includes("SFN");
    const region = process.env.AWS_REGION ?? REGION;
    const registry = functionRegistry({ region, accountId: ACCOUNT });
    const run = serviceRunner(parts, transport);
    const { place, data } = placesOf(options);
    const findPrincipal = hostPrincipals(queueSecret);
    const { now } = systemClock;
    let queues: Sqs["answerOutside"] | undefined;
    await run("SQS", async () => {
      const sqs = await startSqs({ ...place(1), ...data("SQS"), findPrincipal, now });
      queues = sqs.answerOutside;
      return sqs;
    });
    await run("DYNAMODB", () => startDynamodb({ ...place(2), ...data("DYNAMODB") }));
    await run("LAMBDA", () => startLambda({ registry, ...place(4) }));
    if (folder?.isNew === false && keepsTable) await requireTable(folder, name);
    else await createTable(name);
    process.env.DEAD_LETTER_QUEUE_ARN = await createDeadLetterQueue(`${name}-dead-letters`);
    // Executions that go on call the functions as soon as Step Functions is there.
    if (keepsMachines) nameStateMachines((machine) => builtInArn(name, machine));
    await register(registry);
    const invoke = transport === "http" ? httpInvoke(parts) : registry.invoke;
    await run("SFN", () =>
      startStepFunctions({
        invoke,
        region,
        accountId: ACCOUNT,
        ...place(3),
        ...data("SFN"),
      }),
    );
    const arns = await createStateMachines(name);
    nameStateMachines((machine) => arns[machine]);
    await run("SCHEDULER", () =>
      startScheduler({
        invoke,
        region,
        accountId: ACCOUNT,
        ...place(5),
        ...data("SCHEDULER"),
      }),
    );
    const { operatorToken } = options;
    const gateways = await startGateways({ port, operatorToken, listen, queues });
    parts.push({ close: async () => closeClients() }, gateways);
    parts.push({ close: await startSchedules(log) });
    const { apiUrl, publicUrl, dashboardUrl } = gateways;
    const found = environments(servesQueues, publicUrl);
    return { apiUrl, publicUrl, dashboardUrl, ...found, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Starts a service, unless its endpoint is set already, and has the functions call it. */
function serviceRunner(parts: { close(): Promise<void> }[], transport: "in-process" | "http") {
  return async (service: Service, start: () => Promise<Part>) => {
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
}

/** Where each service listens, and where it keeps its data. */
function placesOf({ port = 0, folder, flush = false, log }: LocalCloudOptions) {
  return {
    place: (offset: number) => ({
      port: port === 0 ? 0 : port + offset,
      credentials: credentials(),
      logger: log,
    }),
    data: (service: StoredService) =>
      folder && {
        dataDir: join(folder.path, dataFiles.services[service]),
        generation: folder.generation,
        flush,
      },
  };
}

/** The services with data that this process runs itself. */
export function storedServices(): StoredService[] {
  const all: StoredService[] = ["DYNAMODB", "SQS", "SFN", "SCHEDULER"];
  return all.filter((service) => process.env[`AWS_ENDPOINT_URL_${service}`] === undefined);
}

function functionArn(name: FunctionName): string {
  return `arn:aws:lambda:${process.env.AWS_REGION}:${ACCOUNT}:function:${name}`;
}

function builtInArn(name: string, machine: StateMachineName): string {
  return `arn:aws:states:${process.env.AWS_REGION}:${ACCOUNT}:stateMachine:${name}-${machine}`;
}

/** @returns the ARN of each, as Step Functions has answered it */
async function createStateMachines(name: string): Promise<Record<StateMachineName, string>> {
  const made = stateMachineNames.map(async (machine) => {
    const physicalName = `${name}-${machine}`;
    const refs = { physicalName, functionArn, roleArn: ROLE_ARN };
    return [machine, await createStateMachine(machine, refs)] as const;
  });
  return Object.fromEntries(await Promise.all(made)) as Record<StateMachineName, string>;
}

function nameStateMachines(arnOf: (machine: StateMachineName) => string): void {
  process.env.MIGRATION_STATE_MACHINE_ARN = arnOf("migration");
  process.env.EVACUATION_STATE_MACHINE_ARN = arnOf("evacuation");
}

/** The SDK needs a region and an access key to start at all; those of the environment are kept. */
function setDefaults(options: LocalCloudOptions & { name: string }): void {
  const { name, operatorToken, accessKey, signingKey } = options;
  process.env.AWS_REGION ??= REGION;
  process.env.AWS_ACCESS_KEY_ID ??= accessKey.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY ??= accessKey.secretAccessKey;
  process.env.TABLE_NAME = name;
  process.env.HOST_QUEUE_PREFIX = `${name}-host-`;
  process.env.AGENT_EVENTS_FUNCTION = "agent-events";
  process.env.OPEN_WINDOW_FUNCTION_ARN = functionArn("open-window");
  process.env.SCHEDULE_GROUP = "default";
  process.env.SCHEDULER_ROLE_ARN = ROLE_ARN;
  process.env.COMMAND_SIGNING_KEY ??= signingKey;
  process.env.WEBHOOK_RECEIVERS = options.webhookReceivers ?? "public";
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

/** @returns what ends them */
async function startSchedules(log: Logger): Promise<() => Promise<void>> {
  const { scheduledHandlers } = await import("../functions/task/tasks.ts");
  const { endPosts } = await import("../functions/runtime/post-webhook.ts");
  const intervalMs = scheduleMinutes.sweep * 60_000;
  const ends = [
    scheduleCalls(scheduledHandlers.sweep, { intervalMs, log }),
    scheduleCalls(scheduledHandlers["deliver-webhooks"], { ...webhookCalls, log }),
  ];
  return async () => {
    const ended = ends.map((end) => end());
    endPosts();
    await Promise.all(ended);
  };
}

/** Loads the functions, which Step Functions calls. */
async function register(registry: FunctionRegistry): Promise<void> {
  const { evacuationHandlers, scheduledHandlers, taskHandlers, windowHandlers } = await import(
    "../functions/task/tasks.ts"
  );
  const agentEvents = await import("../functions/agent-events/index.ts");
  const handlers = {
    ...taskHandlers,
    ...evacuationHandlers,
    ...windowHandlers,
    ...scheduledHandlers,
    "agent-events": agentEvents.handler,
  };
  for (const name of Object.keys(handlers) as (keyof typeof handlers)[]) {
    const { timeoutSeconds } = functionDescriptions[name];
    registry.register(name, handlers[name], { timeoutMs: timeoutSeconds * 1000 });
  }
}

/** A host gets an access key of its own when it registers, unless somebody else serves the queues. */
function environments(servesQueues: boolean, publicUrl: string | undefined) {
  const ofAgents = ["AWS_ENDPOINT_URL_SQS", "AWS_REGION"];
  const others = services
    .map((service) => `AWS_ENDPOINT_URL_${service}`)
    .filter((name) => !ofAgents.includes(name));
  const agentEnvironment = pick(servesQueues ? ofAgents : [...ofAgents, ...ACCESS_KEY]);
  if (servesQueues && publicUrl !== undefined) {
    agentEnvironment.AWS_ENDPOINT_URL_SQS = `${publicUrl}${QUEUES_PATH}`;
  }
  return {
    agentEnvironment,
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
