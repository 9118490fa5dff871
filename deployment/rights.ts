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
  | "task tokens";

/** Actions of IAM on one subject. */
export type Right = { actions: readonly string[]; on: Subject };

export const right = (on: Subject, ...actions: string[]): Right => ({ on, actions });

/** Of the table's own operations. A transaction needs the rights of the writes in it. */
const tableActions = {
  get: "dynamodb:GetItem",
  "batch get": "dynamodb:BatchGetItem",
  query: "dynamodb:Query",
  put: "dynamodb:PutItem",
  update: "dynamodb:UpdateItem",
  delete: "dynamodb:DeleteItem",
  "batch write": "dynamodb:BatchWriteItem",
} as const;

export function onTable(...operations: (keyof typeof tableActions)[]): Right {
  return right("table", ...operations.map((operation) => tableActions[operation]));
}

export const queryIndex = right("table index", tableActions.query);
export const sendCommands = right("host queues", "sqs:SendMessage");
export const startExecutions = right("migration state machine", "states:StartExecution");
export const describeExecutions = right("migration executions", "states:DescribeExecution");
export const startEvacuations = right("evacuation state machine", "states:StartExecution");
export const describeEvacuations = right("evacuation executions", "states:DescribeExecution");
export const invokeAgentEvents = right("function agent-events", "lambda:InvokeFunction");

/** IAM cannot narrow these: they have no resource and no condition key. Only agent-events has them. */
export const completeTokens = right(
  "task tokens",
  "states:SendTaskSuccess",
  "states:SendTaskFailure",
  "states:SendTaskHeartbeat",
);
