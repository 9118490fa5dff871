import type { EngineName } from "./engine-name.ts";

/** Tests that fail with an engine, by why: the engine does not do what AWS documents, or cannot be asked. */
export type Difference = {
  readonly engine: EngineName;
  readonly why: string;
  readonly tests: readonly string[];
};

export const differences: readonly Difference[] = [
  {
    engine: "moto",
    why: "a function whose connection breaks is States.Runtime, which ends the execution; AWS retries Lambda.SdkClientException",
    tests: [
      "parts that are killed and started again the cloud, in prepare: the migration continues where it was",
    ],
  },
  {
    engine: "moto",
    why: "Assign is carried out before Output, so that Output has the new values",
    tests: [
      "flow takes Assign and Output from the rule that matched",
      "Task evaluates Assign and Output from the values at its entry",
    ],
  },
  {
    engine: "moto",
    why: "other errors, or none, where an expression or a Choice fails: States.Runtime ends the execution",
    tests: [
      "flow fails with States.NoChoiceMatched without a Default",
      "JSONata refuses $states.input.nothing with States.QueryEvaluationError",
      "JSONata refuses $parse('{') with States.QueryEvaluationError",
      "JSONata refuses 1 + 'a' with States.QueryEvaluationError",
      "JSONata refuses function($x) { $x } with States.QueryEvaluationError",
      "history records a Map and a failed expression",
    ],
  },
  {
    engine: "moto",
    why: "AWS's own JSONata functions are missing or take other arguments, and none is stopped when it does not end",
    tests: [
      "JSONata evaluates $hash('abc', 'SHA-256')",
      "JSONata evaluates $random(7) = $random(7)",
      "JSONata evaluates $length($uuid())",
      "JSONata is stopped when it does not end",
    ],
  },
  {
    engine: "moto",
    why: "no TimeoutSeconds of a machine, no limit of the history, no limits of sizes and names",
    tests: [
      "flow times out after the machine's TimeoutSeconds",
      "history ends the execution when it is full",
      "Task refuses a result of more than 256 KiB, which States.ALL does not catch",
      "StartExecution refuses a name with a space",
      "StartExecution refuses a name of 81 characters",
      "StartExecution refuses input of more than 256 KiB",
      "the protocol refuses a body of more than 1 MiB",
    ],
  },
  {
    engine: "moto",
    why: "other fields, orders and texts in contexts, descriptions and histories; an empty Cause where there is none",
    tests: [
      "flow gives the context object to expressions",
      "a task token that is silent for HeartbeatSeconds raises States.HeartbeatTimeout",
      "a task token that is silent for TimeoutSeconds raises States.Timeout",
      "Parallel stops its other branches when one fails, and catches its error",
      "history has AWS's events, parsed by the SDK",
      "history is read in pages, either way, with or without data",
      "executions are stopped with error and cause",
      "executions are described without data on request",
      "the protocol writes times as epoch seconds",
    ],
  },
  {
    engine: "moto",
    why: "not implemented: a Map's tolerated failures, nested executions by that name, redrive, versions",
    tests: [
      "Map tolerates failed items up to the percentage when distributed",
      "a nested execution is waited for with .sync:2, and its output is JSON",
      "a nested execution that fails raises States.TaskFailed with its description as cause",
      "a nested execution is only started without .sync:2",
      "RedriveExecution continues from the state that failed, in the branch that failed",
      "RedriveExecution runs the failed items of a distributed Map again, and only those",
      "RedriveExecution is refused for an execution that runs or has succeeded",
      "the protocol refuses an operation that is not supported",
    ],
  },
  {
    engine: "moto",
    why: "tokens have another form: an unknown one is InvalidToken, and a used one is taken once more",
    tests: [
      "task tokens of an unknown execution are TaskDoesNotExist",
      "task tokens that were used, or guessed, or belong to an ended execution are TaskTimedOut",
      "task tokens refuse output that is not JSON",
    ],
  },
  {
    engine: "moto",
    why: "other errors for arguments that AWS refuses, or none",
    tests: [
      "StartExecution refuses input that is not JSON",
      "StartExecution refuses an empty ARN",
      "StartExecution refuses no ARN",
      "state machines are created once for the same name and definition",
      "state machines are updated for later executions only",
      "state machines are deleted when their last execution has ended",
      // Ours refuses what it does not offer; moto offers it.
      "state machines refuse Express",
      "state machines refuse versions",
      "state machines refuse tags",
    ],
  },
  {
    engine: "moto",
    why: "the test needs the emulators' own fixtures: a second set of functions, or DynamoDB beside it",
    tests: [
      "a task token can be used before the function that was given it has answered",
      "Task uses DynamoDB through the integrations given",
      "Task sees a failed condition as DynamoDB.ConditionalCheckFailedException",
    ],
  },
  {
    engine: "moto",
    why: "transactions: a token is not remembered, sizes and forms are not checked, projections are ignored",
    tests: [
      "TransactWriteItems an update that does not fit the item is a reason of its own",
      "ClientRequestToken the same request with the same token is carried out once",
      "ClientRequestToken a token is refused with another request",
      "TransactGetItems items have the requested order, with an empty entry for a missing one",
      "refusals refuses more than 4 MB",
      "refusals an item without an operation is a ValidationException",
      "refusals no items is a ValidationException",
      "refusals a token that is too long is a ValidationException",
      "refusals a capacity report is refused, not ignored",
    ],
  },
  {
    engine: "moto",
    why: "an attribute that is replaced counts twice towards the size of its item, and the limit is 405,000 bytes",
    tests: [
      "the limits fit each other the JSON that grows most as an item, with the most rules, stays below 400 KB",
      "what is kept in one record is refused before it is more than 400 KB: 422 webhooks, which can be changed and removed then",
      "a migration whose way back is taken again and again has a record that stays below 400 KB, and a timeline with every turn",
    ],
  },
  {
    engine: "elasticmq",
    why: "another error for a message that was deleted before, and for one that is too long",
    tests: [
      "visibility a deleted message does not come again",
      "queues take a message of 256 KiB, and none of more than 1 MiB",
    ],
  },
  {
    engine: "ministack",
    why: "an error for a message that was deleted before",
    tests: ["visibility a deleted message does not come again"],
  },
  {
    engine: "ministack",
    why: "its clock is its own: the ten minutes of a token cannot be made to pass",
    tests: ["ClientRequestToken a token is forgotten after ten minutes"],
  },
  {
    engine: "ministack",
    why: "transactions: other texts, two operations or a bad expression are taken, capacity reports are given",
    tests: [
      "refusals an item without an operation is a ValidationException",
      "refusals an item with two operations is a ValidationException",
      "refusals a bad expression is a ValidationException",
      "refusals a token that is too long is a ValidationException",
      "refusals a capacity report is refused, not ignored",
    ],
  },
];
