import * as z from "zod";
import { PublicKey } from "../../core/protocol/signature.ts";
import { type Receivers, receiverKinds } from "./receiver-kinds.ts";
import { REQUESTS_PER_SECOND } from "./request-rates.ts";

const Config = z.object({
  TABLE_NAME: z.string().min(3),
  MIGRATION_STATE_MACHINE_ARN: z.string().regex(/^arn:[^:]+:states:[^:]*:[^:]*:stateMachine:.+$/),
  EVACUATION_STATE_MACHINE_ARN: z.string().regex(/^arn:[^:]+:states:[^:]*:[^:]*:stateMachine:.+$/),
  /** Name or ARN of the function agent-events. */
  AGENT_EVENTS_FUNCTION: z.string().min(1),
  /** Called at the start of a window. */
  OPEN_WINDOW_FUNCTION_ARN: z.string().regex(/^arn:[^:]+:lambda:[^:]*:[^:]*:function:.+$/),
  /** Where EventBridge Scheduler keeps the starts of windows, and the role by which it calls. */
  SCHEDULE_GROUP: z.string().regex(/^[0-9a-zA-Z-_.]{1,64}$/),
  SCHEDULER_ROLE_ARN: z.string().regex(/^arn:[^:]+:iam::[^:]*:role\/.+$/),
  /**
   * SHA-256 (hex) of the operators' bearer token. Without it, only requests that API Gateway's JWT
   * authorizer let through are an operator's.
   */
  OPERATOR_TOKEN_SHA256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /**
   * The Ed25519 key that commands are signed with: PKCS#8, DER, base64. Functions that send no commands
   * have none.
   */
  COMMAND_SIGNING_KEY: z.string().min(1).optional(),
  /** Other public keys that agents accept while the signing key is replaced, separated by commas. */
  COMMAND_KEYS: z
    .string()
    .default("")
    .transform((text) => (text === "" ? [] : text.split(",")))
    .pipe(z.array(PublicKey).max(3)),
  /**
   * The secret that hosts' access keys for their queues are made from; only where the queues are
   * served by the control plane itself. On AWS hosts have credentials of their own.
   */
  HOST_QUEUE_SECRET: z.string().min(32).optional(),
  /** What stands before a scope's name in the operators' tokens. */
  SCOPE_PREFIX: z
    .string()
    .regex(/^[\x21-\x7e]{0,128}$/)
    .default("switchyard/"),
  HOST_QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,16}$/)
    .default("switchyard-host-"),
  /** ARN of the queue that takes commands which no agent deletes. */
  DEAD_LETTER_QUEUE_ARN: z.string().regex(/^arn:[^:]+:sqs:[^:]+:[^:]+:.+$/),
  /** Which addresses webhooks may be delivered to, besides public ones. */
  WEBHOOK_RECEIVERS: z.enum(receiverKinds).default("public"),
  /**
   * Requests of one host, or reads of one person, in a second on average, of each process; five times
   * as many at once. What else is counted has a part of it (request-rates.ts). 0: any number.
   */
  REQUESTS_PER_SECOND_MAX: z.coerce.number().int().min(0).max(100_000).default(REQUESTS_PER_SECOND),
  /** CloudWatch's namespace for metrics that functions log; without it they log none. */
  METRICS_NAMESPACE: z
    .string()
    .regex(/^[A-Za-z0-9_./#:-]{1,255}$/)
    .optional(),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
});

export type Config = {
  tableName: string;
  migrationStateMachineArn: string;
  evacuationStateMachineArn: string;
  agentEventsFunction: string;
  openWindowFunctionArn: string;
  scheduleGroup: string;
  schedulerRoleArn: string;
  operatorTokenSha256: string | undefined;
  commandSigningKey: string | undefined;
  commandKeys: PublicKey[];
  hostQueueSecret: string | undefined;
  scopePrefix: string;
  hostQueuePrefix: string;
  deadLetterQueueArn: string;
  webhookReceivers: Receivers;
  requestsPerSecondMax: number;
  metricsNamespace: string | undefined;
  logLevel: string;
};

let cached: Config | undefined;

/**
 * The configuration from this process's environment, read and checked at the first call.
 *
 * @throws ZodError naming each variable that is missing or malformed
 */
export function config(): Config {
  cached ??= read(process.env);
  return cached;
}

function read(environment: NodeJS.ProcessEnv): Config {
  const checked = Config.parse(environment);
  return {
    tableName: checked.TABLE_NAME,
    migrationStateMachineArn: checked.MIGRATION_STATE_MACHINE_ARN,
    evacuationStateMachineArn: checked.EVACUATION_STATE_MACHINE_ARN,
    agentEventsFunction: checked.AGENT_EVENTS_FUNCTION,
    openWindowFunctionArn: checked.OPEN_WINDOW_FUNCTION_ARN,
    scheduleGroup: checked.SCHEDULE_GROUP,
    schedulerRoleArn: checked.SCHEDULER_ROLE_ARN,
    operatorTokenSha256: checked.OPERATOR_TOKEN_SHA256,
    commandSigningKey: checked.COMMAND_SIGNING_KEY,
    commandKeys: checked.COMMAND_KEYS,
    hostQueueSecret: checked.HOST_QUEUE_SECRET,
    scopePrefix: checked.SCOPE_PREFIX,
    hostQueuePrefix: checked.HOST_QUEUE_PREFIX,
    webhookReceivers: checked.WEBHOOK_RECEIVERS,
    deadLetterQueueArn: checked.DEAD_LETTER_QUEUE_ARN,
    requestsPerSecondMax: checked.REQUESTS_PER_SECOND_MAX,
    metricsNamespace: checked.METRICS_NAMESPACE,
    logLevel: checked.LOG_LEVEL,
  };
}
