import {
  type FunctionDescription,
  type FunctionName,
  functionDescriptions,
} from "../deployment/functions.ts";
import { type Subject, sendCommands } from "../deployment/rights.ts";
import type { StateMachineName } from "../deployment/state-machines.ts";
import { policyOf, type Statement, trustOf } from "./policy.ts";
import { deadLetterQueue, hostQueuesArn } from "./queues.ts";
import {
  arnOf,
  commandKeys,
  commandSigningKey,
  isProduction,
  LOG_RETENTION,
  metricsNamespace,
  names,
  operators,
  requestsPerSecondMax,
  roleArn,
  webhookReceivers,
} from "./settings.ts";
import { table } from "./table.ts";

export const functionArn = (name: FunctionName) =>
  arnOf("lambda", `function:${names.function(name)}`);
export const stateMachineArn = (name: StateMachineName) =>
  arnOf("states", `stateMachine:${names.stateMachine(name)}`);

const resourcesOf: Record<Subject, Statement["resources"]> = {
  table: [table.arn],
  "table index": [$interpolate`${table.arn}/index/*`],
  "host queues": [hostQueuesArn],
  "migration state machine": [stateMachineArn("migration")],
  "migration executions": [arnOf("states", `execution:${names.stateMachine("migration")}:*`)],
  "evacuation state machine": [stateMachineArn("evacuation")],
  "evacuation executions": [arnOf("states", `execution:${names.stateMachine("evacuation")}:*`)],
  "function agent-events": [functionArn("agent-events")],
  "starts of windows": [arnOf("scheduler", `schedule/${names.scheduleGroup}/sch_*`)],
  "scheduler role": [roleArn(names.schedulerRole)],
  "dead-letter queue": [deadLetterQueue.arn],
  "task tokens": ["*"],
};

/** `agent-events` becomes `AgentEvents`. */
export function componentName(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (part) => part.slice(-1).toUpperCase());
}

function roleOf(name: FunctionName, { rights }: FunctionDescription) {
  const statements = rights.map(({ actions, on, passedTo }) => ({
    actions,
    resources: resourcesOf[on],
    ...(passedTo === undefined
      ? {}
      : { conditions: { StringEquals: { "iam:PassedToService": passedTo } } }),
  }));
  const logs = {
    actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
    resources: [arnOf("logs", `log-group:/aws/lambda/${names.function(name)}:*`)],
  };
  return new aws.iam.Role(`${componentName(name)}Role`, {
    name: names.function(name),
    assumeRolePolicy: trustOf("lambda.amazonaws.com"),
    inlinePolicies: [{ name: "rights", policy: policyOf([...statements, logs]) }],
  });
}

/** For functions that send commands, and no others. */
const signing = {
  COMMAND_SIGNING_KEY: commandSigningKey.value,
  ...(commandKeys === undefined ? {} : { COMMAND_KEYS: commandKeys }),
};

function create(name: FunctionName) {
  const description = functionDescriptions[name];
  return new sst.aws.Function(componentName(name), {
    name: names.function(name),
    handler: description.handler,
    runtime: "nodejs24.x",
    architecture: "arm64",
    timeout: `${description.timeoutSeconds} seconds`,
    memory: `${description.memoryMb} MB`,
    role: roleOf(name, description).arn,
    logging: { retention: LOG_RETENTION },
    nodejs: { format: "esm", minify: true, sourcemap: false },
    dev: false,
    environment: {
      TABLE_NAME: table.name,
      MIGRATION_STATE_MACHINE_ARN: stateMachineArn("migration"),
      EVACUATION_STATE_MACHINE_ARN: stateMachineArn("evacuation"),
      AGENT_EVENTS_FUNCTION: names.function("agent-events"),
      OPEN_WINDOW_FUNCTION_ARN: functionArn("open-window"),
      SCHEDULE_GROUP: names.scheduleGroup,
      SCHEDULER_ROLE_ARN: roleArn(names.schedulerRole),
      SCOPE_PREFIX: operators.scopePrefix,
      HOST_QUEUE_PREFIX: names.hostQueuePrefix,
      DEAD_LETTER_QUEUE_ARN: deadLetterQueue.arn,
      ...(webhookReceivers === undefined ? {} : { WEBHOOK_RECEIVERS: webhookReceivers }),
      ...(requestsPerSecondMax === undefined
        ? {}
        : { REQUESTS_PER_SECOND_MAX: requestsPerSecondMax }),
      ...(metricsNamespace === undefined ? {} : { METRICS_NAMESPACE: metricsNamespace }),
      LOG_LEVEL: isProduction ? "info" : "debug",
      ...(description.rights.includes(sendCommands) ? signing : {}),
    },
  });
}

const all = Object.keys(functionDescriptions) as FunctionName[];

/** Each function with a role of its own, which has the rights of its description. */
export const functions = Object.fromEntries(all.map((name) => [name, create(name)])) as Record<
  FunctionName,
  sst.aws.Function
>;
