import { z } from "zod";

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
  HOST_QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,16}$/)
    .default("switchyard-host-"),
  /** ARN of the queue that takes commands which no agent deletes. */
  DEAD_LETTER_QUEUE_ARN: z.string().regex(/^arn:[^:]+:sqs:[^:]+:[^:]+:.+$/),
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
  hostQueuePrefix: string;
  deadLetterQueueArn: string;
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
    hostQueuePrefix: checked.HOST_QUEUE_PREFIX,
    deadLetterQueueArn: checked.DEAD_LETTER_QUEUE_ARN,
    logLevel: checked.LOG_LEVEL,
  };
}
