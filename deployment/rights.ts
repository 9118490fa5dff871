/** What a right is about. infra/ knows the ARNs; local services do not check rights. */
export type Subject =
  | "table"
  | "table index"
  | "host queues"
  | "migration state machine"
  | "migration executions"
  | "evacuation state machine"
  | "evacuation executions"
  | "function agent-events"
  | "starts of windows"
  | "scheduler role"
  | "dead-letter queue"
  | "task tokens";

/** Actions of IAM on one subject. */
export type Right = {
  actions: readonly string[];
  on: Subject;
  /** For iam:PassRole: the service that the role may be passed to. */
  passedTo?: string;
};

export const right = (on: Subject, ...actions: string[]): Right => ({ on, actions });

/** Of the table's own operations. A transaction needs the rights of what is in it. */
const tableActions = {
  get: "dynamodb:GetItem",
  "batch get": "dynamodb:BatchGetItem",
  query: "dynamodb:Query",
  put: "dynamodb:PutItem",
  update: "dynamodb:UpdateItem",
  delete: "dynamodb:DeleteItem",
  "batch write": "dynamodb:BatchWriteItem",
  check: "dynamodb:ConditionCheckItem",
} as const;

export function onTable(...operations: (keyof typeof tableActions)[]): Right {
  return right("table", ...operations.map((operation) => tableActions[operation]));
}

export const queryIndex = right("table index", tableActions.query);
export const sendCommands = right("host queues", "sqs:SendMessage");
/** How many messages it has: the metrics show it. */
export const countDeadLetters = right(
  "dead-letter queue",
  "sqs:GetQueueUrl",
  "sqs:GetQueueAttributes",
);
export const startExecutions = right("migration state machine", "states:StartExecution");
export const describeExecutions = right("migration executions", "states:DescribeExecution");
export const startEvacuations = right("evacuation state machine", "states:StartExecution");
export const describeEvacuations = right("evacuation executions", "states:DescribeExecution");
export const invokeAgentEvents = right("function agent-events", "lambda:InvokeFunction");

/** One-time schedules, which are made and removed; those of the deployment are left alone. */
export const armSchedules = right(
  "starts of windows",
  "scheduler:CreateSchedule",
  "scheduler:DeleteSchedule",
);
/** Scheduler calls by this role, which whoever makes a schedule must be allowed to give to it. */
export const passSchedulerRole: Right = {
  ...right("scheduler role", "iam:PassRole"),
  passedTo: "scheduler.amazonaws.com",
};

/** IAM cannot narrow these: they have no resource and no condition key. Only agent-events has them. */
export const completeTokens = right(
  "task tokens",
  "states:SendTaskSuccess",
  "states:SendTaskFailure",
  "states:SendTaskHeartbeat",
);
