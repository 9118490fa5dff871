import {
  CreateStateMachineCommand,
  ValidateStateMachineDefinitionCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Fixture,
  functionArn,
  INVOKE,
  INVOKE_WITH_TOKEN,
  machine,
  ROLE,
  startFixture,
} from "./testing/fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture({});
});
afterAll(() => fixture.close());

const end = { End: true };
const pass = { Type: "Pass", ...end };
const task = { Type: "Task", Resource: functionArn("f"), ...end };
const map = { Type: "Map", ...end };
const processor = { StartAt: "I", States: { I: pass } };
const distributed = {
  ...processor,
  ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
};
const expression = (text: string) => ({ A: { ...pass, Output: { x: `{% ${text} %}` } } });

type Refusal = readonly [what: string, definition: object, message: string];

const refusals: readonly Refusal[] = [
  [
    "JSONPath by default",
    { StartAt: "A", States: { A: pass } },
    "field 'QueryLanguage' must be 'JSONata', got JSONPath",
  ],
  [
    "JSONPath in one state",
    machine({ A: { ...pass, QueryLanguage: "JSONPath" } }),
    "State 'A': field 'QueryLanguage' must be 'JSONata'",
  ],
  [
    "a JSONPath field",
    machine({ A: { ...pass, Parameters: {} } }),
    "State 'A': field 'Parameters' is not supported: it belongs to JSONPath",
  ],
  [
    "an unknown field",
    machine({ A: { ...task, Timeout: 5 } }),
    "State 'A': field 'Timeout' is not supported",
  ],
  [
    "an unknown machine field",
    machine({ A: pass }, { Timeout: 5 }),
    "The state machine's field 'Timeout' is not supported",
  ],
  [
    "an unknown type",
    machine({ A: { Type: "Sleep", ...end } }),
    "State 'A': field 'Type' is not supported: Sleep",
  ],
  [
    "another service",
    machine({ A: { ...task, Resource: "arn:aws:states:::sqs:sendMessage" } }),
    "State 'A': field 'Resource' is not supported: arn:aws:states:::sqs:sendMessage",
  ],
  [
    "an activity",
    machine({ A: { ...task, Resource: "arn:aws:states:eu-central-1:000000000000:activity:a" } }),
    "State 'A': field 'Resource' is not supported",
  ],
  [
    "the .sync that gives text",
    machine({
      A: { ...task, Resource: "arn:aws:states:::states:startExecution.sync", Arguments: {} },
    }),
    "State 'A': field 'Resource' is not supported",
  ],
  [
    "DynamoDB without its integration",
    machine({ A: { ...task, Resource: "arn:aws:states:::dynamodb:getItem", Arguments: {} } }),
    "State 'A': field 'Resource' is not supported: the engine was started without dynamodb:getItem",
  ],
  [
    "an argument it would ignore",
    machine({
      A: { ...task, Resource: INVOKE, Arguments: { FunctionName: "f", InvocationType: "Event" } },
    }),
    "State 'A': field 'Arguments' has the field 'InvocationType', which is not supported",
  ],
  [
    "a call without function name",
    machine({ A: { ...task, Resource: INVOKE, Arguments: {} } }),
    "State 'A': field 'Arguments' must have the field 'FunctionName'",
  ],
  [
    "Credentials",
    machine({ A: { ...task, Credentials: {} } }),
    "State 'A': field 'Credentials' is not supported",
  ],
  [
    "a heartbeat without token",
    machine({ A: { ...task, HeartbeatSeconds: 5 } }),
    "State 'A': field 'HeartbeatSeconds' has no effect without .waitForTaskToken",
  ],
  [
    "a heartbeat not shorter than the timeout",
    machine({
      A: {
        ...task,
        Resource: INVOKE_WITH_TOKEN,
        Arguments: { FunctionName: "f" },
        HeartbeatSeconds: 5,
        TimeoutSeconds: 5,
      },
    }),
    "State 'A': field 'HeartbeatSeconds' must be smaller than TimeoutSeconds",
  ],
  [
    "a timeout of zero",
    machine({ A: { ...task, TimeoutSeconds: 0 } }),
    "State 'A': field 'TimeoutSeconds' must be an integer from 1",
  ],
  [
    "an ItemReader",
    machine({ A: { ...map, ItemProcessor: distributed, ItemReader: {} } }),
    "State 'A': field 'ItemReader' is not supported",
  ],
  [
    "a ResultWriter",
    machine({ A: { ...map, ItemProcessor: distributed, ResultWriter: {} } }),
    "State 'A': field 'ResultWriter' is not supported",
  ],
  [
    "an ItemBatcher",
    machine({ A: { ...map, ItemProcessor: distributed, ItemBatcher: {} } }),
    "State 'A': field 'ItemBatcher' is not supported",
  ],
  [
    "an Express distributed Map",
    machine({
      A: {
        ...map,
        ItemProcessor: {
          ...processor,
          ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "EXPRESS" },
        },
      },
    }),
    "State 'A': field 'ItemProcessor/ProcessorConfig/ExecutionType' must be 'STANDARD'",
  ],
  [
    "tolerance of an inline Map",
    machine({ A: { ...map, ItemProcessor: processor, ToleratedFailureCount: 1 } }),
    "State 'A': field 'ToleratedFailureCount' needs an ItemProcessor in DISTRIBUTED mode",
  ],
  [
    "an unknown field inside a Map",
    machine({
      A: { ...map, ItemProcessor: { StartAt: "I", States: { I: { ...pass, InputPath: "$" } } } },
    }),
    "State 'I': field 'InputPath' is not supported",
  ],
  [
    "an unknown field inside a Parallel",
    machine({ A: { Type: "Parallel", Branches: [{ ...processor, Retry: [] }], ...end } }),
    "State 'A': field 'Branches[0]/Retry' is not supported",
  ],
  [
    "a retrier's unknown field",
    machine({ A: { ...task, Retry: [{ ErrorEquals: ["E"], MaxDelay: 1 }] } }),
    "State 'A': field 'Retry[0]/MaxDelay' is not supported",
  ],
  [
    "States.ALL beside another error",
    machine({ A: { ...task, Retry: [{ ErrorEquals: ["States.ALL", "E"] }] } }),
    "State 'A': field 'Retry[0]/ErrorEquals' must name States.ALL alone",
  ],
  [
    "a catcher to nowhere",
    machine({ A: { ...task, Catch: [{ ErrorEquals: ["E"], Next: "Z" }] } }),
    "State 'A': field 'Catch[0]/Next' names no state of its scope: Z",
  ],
  [
    "a dangling Next",
    machine({ A: { Type: "Pass", Next: "Z" } }),
    "State 'A': field 'Next' names no state of its scope: Z",
  ],
  [
    "a dangling Default",
    machine({
      A: { Type: "Choice", Choices: [{ Condition: "{% true %}", Next: "B" }], Default: "Z" },
      B: pass,
    }),
    "State 'A': field 'Default' names no state of its scope: Z",
  ],
  [
    "neither Next nor End",
    machine({ A: { Type: "Pass" } }),
    "State 'A': field 'Next' or 'End' is required",
  ],
  [
    "a JSONPath choice",
    machine({ A: { Type: "Choice", Choices: [{ Variable: "$.a", Next: "B" }] }, B: pass }),
    "State 'A': field 'Choices[0]/Variable' is not supported: it belongs to JSONPath",
  ],
  [
    "a choice's own Assign that a rule lacks",
    machine({
      A: {
        Type: "Choice",
        Choices: [{ Condition: "{% true %}", Next: "B" }],
        Default: "B",
        Assign: { x: 1 },
      },
      B: pass,
    }),
    "State 'A': field 'Choices[0]/Assign' is required because the state itself has 'Assign'",
  ],
  [
    "both Seconds and Timestamp",
    machine({ A: { Type: "Wait", Seconds: 1, Timestamp: "2030-01-01T00:00:00Z", ...end } }),
    "State 'A': field 'Seconds' or 'Timestamp' is required, and not both",
  ],
  [
    "a Timestamp that is none",
    machine({ A: { Type: "Wait", Timestamp: "tomorrow", ...end } }),
    "State 'A': field 'Timestamp' must be an RFC 3339 timestamp",
  ],
  [
    "a syntax error",
    machine(expression("$states.input.(")),
    "State 'A': field 'Output/x' is not a valid JSONata expression: S0203",
  ],
  [
    "an operator newer than JSONata 2.0.6",
    machine(expression("$states.input.a ?? 1")),
    "is not a valid JSONata expression",
  ],
  ["$eval", machine(expression("$eval('1')")), "State 'A': field 'Output/x' uses $eval"],
  ["$$", machine(expression("$$.a")), "State 'A': field 'Output/x' uses $$"],
  ["$ at top level", machine(expression("$.a")), "State 'A': field 'Output/x' uses $ at top level"],
  [
    "$states.result in Pass",
    machine(expression("$states.result")),
    "State 'A': field 'Output/x' uses $states.result, which does not exist here",
  ],
  [
    "$states.errorOutput outside of Catch",
    machine({ A: { ...task, Output: "{% $states.errorOutput %}" } }),
    "uses $states.errorOutput, which does not exist here",
  ],
  [
    "$states.result in Arguments",
    machine({ A: { ...task, Arguments: "{% $states.result %}" } }),
    "State 'A': field 'Arguments' uses $states.result",
  ],
  [
    "a half-open expression",
    machine({ A: { ...pass, Output: "{% 1" } }),
    "State 'A': field 'Output' must begin with {% and end with %}",
  ],
  [
    "a variable named states",
    machine({ A: { ...pass, Assign: { states: 1 } } }),
    "State 'A': field 'Assign' assigns 'states', which is reserved",
  ],
  [
    "a variable with a bad name",
    machine({ A: { ...pass, Assign: { "a-b": 1 } } }),
    "State 'A': field 'Assign' assigns 'a-b'",
  ],
  [
    "an outer variable assigned inside",
    machine({
      A: {
        ...map,
        Assign: { x: 1 },
        ItemProcessor: { StartAt: "I", States: { I: { ...pass, Assign: { x: 2 } } } },
      },
    }),
    "State 'I': field 'Assign' assigns 'x', a variable of an enclosing scope",
  ],
  [
    "a state name of 81 characters",
    machine({ ["n".repeat(81)]: pass }),
    "a name has 1 to 80 characters",
  ],
];

describe("a definition is refused for", () => {
  it.each(refusals)("%s", async (_what, definition, message) => {
    await expect(fixture.create(definition)).rejects.toMatchObject({
      name: "InvalidDefinition",
      message: expect.stringContaining(message),
    });
  });
});

describe("a definition is accepted with", () => {
  it.each([
    ["an expression over several lines", machine(expression("(\n $x := 1;\n $x\n)"))],
    [
      "an empty string, null and a list in a template",
      machine({ A: { ...pass, Output: ["", null, { States: [] }] } }),
    ],
    ["$ inside a step and a predicate", machine(expression("$states.input.xs[$ > 1].($ + 1)"))],
    [
      "$states.result in Output of a Map",
      machine({
        A: { ...map, Items: [1], ItemProcessor: processor, Output: "{% $count($states.result) %}" },
      }),
    ],
    [
      "a variable of the outer name in a distributed Map",
      machine({
        A: {
          ...map,
          Assign: { x: 1 },
          ItemProcessor: { ...distributed, States: { I: { ...pass, Assign: { x: 2 } } } },
        },
      }),
    ],
    [
      "a comment everywhere",
      machine(
        { A: { ...task, Comment: "c", Retry: [{ ErrorEquals: ["E"], Comment: "c" }] } },
        { Comment: "c", Version: "1.0" },
      ),
    ],
  ])("%s", async (_what, definition) => {
    await expect(fixture.create(definition)).resolves.toContain(":stateMachine:");
  });
});

it("ValidateStateMachineDefinition lists every problem with its location", async () => {
  const definition = JSON.stringify(
    machine({ A: { ...task, Timeout: 5, Next: "B", End: undefined }, B: { ...pass, Result: 1 } }),
  );
  const { result, diagnostics } = await fixture.client.send(
    new ValidateStateMachineDefinitionCommand({ definition }),
  );
  expect(result).toBe("FAIL");
  expect(diagnostics?.map(({ severity, location }) => ({ severity, location }))).toEqual([
    { severity: "ERROR", location: "/States/A/Timeout" },
    { severity: "ERROR", location: "/States/B/Result" },
  ]);
});

it.each([
  ["not JSON", "{", "INVALID_JSON_DESCRIPTION"],
  ["not an object", "[]", "INVALID_JSON_DESCRIPTION"],
  ["without states", '{"QueryLanguage":"JSONata","StartAt":"A","States":{}}', "at least one state"],
])("a definition that is %s is refused", async (_what, definition, message) => {
  const command = new CreateStateMachineCommand({ name: "bad", roleArn: ROLE, definition });
  await expect(fixture.client.send(command)).rejects.toMatchObject({
    name: "InvalidDefinition",
    message: expect.stringContaining(message),
  });
});
