import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Fixture,
  functionArn,
  invoke,
  machine,
  outputOf,
  startFixture,
  tokenTray,
  waitForToken,
} from "./testing/fixture.ts";

class NamedError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

const tray = tokenTray();
const items = new Map<string, unknown>();
let tries = 0;
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture(
    {
      echo: async (event) => ({ echoed: event }),
      answer: async () => ({ n: 42 }),
      flaky: async () => {
        tries += 1;
        if (tries < 3) throw new NamedError("Transient", `try ${tries}`);
        return { tries };
      },
      refuse: async () => {
        throw new NamedError("OrderRefused", "no");
      },
      keepToken: tray.handler,
      silent: async () => ({}),
      large: async () => "x".repeat(262_145),
    },
    {
      integrations: {
        "dynamodb:putItem": async ({ Item }) => {
          items.set(JSON.stringify((Item as { pk: unknown }).pk), Item);
          return {};
        },
        "dynamodb:getItem": async ({ Key }) => ({
          Item: items.get(JSON.stringify((Key as { pk: unknown }).pk)),
        }),
        "dynamodb:updateItem": async () => {
          throw new NamedError("ConditionalCheckFailedException", "The conditional request failed");
        },
      },
    },
  );
});
afterAll(() => fixture.close());

const done = { Type: "Pass", End: true };

describe("Task", () => {
  it("gives lambda:invoke's payload to Output", async () => {
    const execution = await fixture.run(machine({ A: invoke("echo", "{% $states.input %}") }), {
      a: 1,
    });
    expect(outputOf(execution)).toEqual({ echoed: { a: 1 } });
  });

  it("passes its input to a function that is the resource itself", async () => {
    const states = { A: { Type: "Task", Resource: functionArn("echo"), End: true } };
    expect(outputOf(await fixture.run(machine(states), { a: 1 }))).toEqual({ echoed: { a: 1 } });
  });

  it("evaluates Assign and Output from the values at its entry", async () => {
    const states = {
      Set: { Type: "Pass", Assign: { n: 1 }, Next: "A" },
      A: invoke(
        "answer",
        {},
        {
          Assign: { n: "{% $states.result.Payload.n %}", before: "{% $n %}" },
          Output: { vm: "{% $states.input.vm %}", seen: "{% $n %}" },
          Next: "B",
        },
      ),
      B: {
        Type: "Pass",
        Output: "{% $merge([$states.input, {'doubled': $n * 2, 'before': $before}]) %}",
        End: true,
      },
    };
    const execution = await fixture.run(machine(states), { vm: 'say "hi"' });
    expect(outputOf(execution)).toEqual({ vm: 'say "hi"', seen: 1, doubled: 84, before: 1 });
  });

  it("is retried until it succeeds", async () => {
    tries = 0;
    const Retry = [
      { ErrorEquals: ["Transient"], IntervalSeconds: 1, MaxDelaySeconds: 1, MaxAttempts: 3 },
    ];
    const execution = await fixture.run(machine({ A: invoke("flaky", {}, { Retry, End: true }) }));
    expect(outputOf(execution)).toEqual({ tries: 3 });
  });

  it("gives a function's error document to Catch, as text", async () => {
    const states = {
      A: invoke(
        "refuse",
        {},
        {
          Catch: [
            {
              ErrorEquals: ["OrderRefused"],
              Assign: { failed: true },
              Output: {
                error: "{% $states.errorOutput.Error %}",
                message: "{% $parse($states.errorOutput.Cause).errorMessage %}",
                vm: "{% $states.input.vm %}",
              },
              Next: "C",
            },
          ],
          End: true,
        },
      ),
      C: {
        Type: "Pass",
        Output: "{% $merge([$states.input, {'failed': $failed}]) %}",
        End: true,
      },
    };
    expect(outputOf(await fixture.run(machine(states), { vm: 1 }))).toEqual({
      error: "OrderRefused",
      message: "no",
      vm: 1,
      failed: true,
    });
  });

  it("names a function that does not exist", async () => {
    const { status, error } = await fixture.run(machine({ A: invoke("missing", {}) }));
    expect({ status, error }).toEqual({
      status: "FAILED",
      error: "Lambda.ResourceNotFoundException",
    });
  });

  it("refuses a result of more than 256 KiB, which States.ALL does not catch", async () => {
    const Catch = [{ ErrorEquals: ["States.ALL"], Next: "C" }];
    const states = { A: invoke("large", {}, { Catch, End: true }), C: done };
    const { status, error } = await fixture.run(machine(states));
    expect({ status, error }).toEqual({ status: "FAILED", error: "States.DataLimitExceeded" });
  });

  it("uses DynamoDB through the integrations given", async () => {
    const key = { pk: { S: "{% $states.input.id %}" } };
    const states = {
      Put: {
        Type: "Task",
        Resource: "arn:aws:states:::dynamodb:putItem",
        Arguments: { TableName: "T", Item: { ...key, state: { S: "NEW" } } },
        Output: "{% $states.input %}",
        Next: "Get",
      },
      Get: {
        Type: "Task",
        Resource: "arn:aws:states:::dynamodb:getItem",
        Arguments: { TableName: "T", Key: key },
        End: true,
      },
    };
    expect(outputOf(await fixture.run(machine(states), { id: "m1" }))).toEqual({
      Item: { pk: { S: "m1" }, state: { S: "NEW" } },
    });
  });

  it("sees a failed condition as DynamoDB.ConditionalCheckFailedException", async () => {
    const states = {
      Update: {
        Type: "Task",
        Resource: "arn:aws:states:::dynamodb:updateItem",
        Arguments: { TableName: "T" },
        Catch: [{ ErrorEquals: ["DynamoDB.ConditionalCheckFailedException"], Next: "C" }],
        End: true,
      },
      C: done,
    };
    expect(outputOf(await fixture.run(machine(states)))).toEqual({
      Error: "DynamoDB.ConditionalCheckFailedException",
      Cause: "The conditional request failed",
    });
  });
});

describe("a task token", () => {
  async function startWaiting(fields: object): Promise<{ arn: string; token: string }> {
    const states = { A: waitForToken("keepToken", { End: true, ...fields }), C: done };
    const caught = "Catch" in fields ? states : { A: states.A };
    const arn = await fixture.start(await fixture.create(machine(caught)));
    return { arn, token: await tray.next() };
  }

  it("finishes the task with the output sent", async () => {
    const { arn, token } = await startWaiting({ Output: { ack: "{% $states.result %}" } });
    await fixture.succeed(token, { target: "h2" });
    expect(outputOf(await fixture.ended(arn))).toEqual({ ack: { target: "h2" } });
  });

  it("fails the task with error and cause", async () => {
    const { arn, token } = await startWaiting({
      Catch: [{ ErrorEquals: ["TargetRejected"], Next: "C" }],
    });
    await fixture.fail(token, "TargetRejected", "cpu mismatch");
    expect(outputOf(await fixture.ended(arn))).toEqual({
      Error: "TargetRejected",
      Cause: "cpu mismatch",
    });
  });

  it("that is silent for HeartbeatSeconds raises States.HeartbeatTimeout", async () => {
    const { arn } = await startWaiting({
      HeartbeatSeconds: 1,
      TimeoutSeconds: 20,
      Catch: [{ ErrorEquals: ["States.HeartbeatTimeout"], Next: "C" }],
    });
    expect(outputOf(await fixture.ended(arn))).toEqual({ Error: "States.HeartbeatTimeout" });
  });

  it("that is silent for TimeoutSeconds raises States.Timeout", async () => {
    const { arn } = await startWaiting({
      TimeoutSeconds: "{% 0 + 1 %}",
      Catch: [{ ErrorEquals: ["States.Timeout"], Next: "C" }],
    });
    expect(outputOf(await fixture.ended(arn))).toEqual({ Error: "States.Timeout" });
  });

  it("can be used before the function that was given it has answered", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const own = await startFixture({
      slow: async (event) => {
        await own.succeed((event as { token: string }).token, "early");
        await released;
        return {};
      },
    });
    try {
      const execution = await own.run(machine({ A: waitForToken("slow") }));
      expect(outputOf(execution)).toBe("early");
    } finally {
      release();
      await own.close();
    }
  });
});

describe("a nested execution", () => {
  const start = (pattern: string, child: string, fields: object = {}) => ({
    Type: "Task",
    Resource: `arn:aws:states:::states:startExecution${pattern}`,
    Arguments: { StateMachineArn: child, Input: { a: 1 } },
    End: true,
    ...fields,
  });

  it("is waited for with .sync:2, and its output is JSON", async () => {
    const child = await fixture.create(
      machine({ P: { Type: "Pass", Output: { child: "{% $states.input.a %}" }, End: true } }),
    );
    const execution = await fixture.run(machine({ N: start(".sync:2", child) }));
    expect(outputOf(execution)).toMatchObject({ Status: "SUCCEEDED", Output: { child: 1 } });
  });

  it("that fails raises States.TaskFailed with its description as cause", async () => {
    const child = await fixture.create(machine({ F: { Type: "Fail", Error: "E", Cause: "c" } }));
    const { error, cause } = await fixture.run(machine({ N: start(".sync:2", child) }));
    expect(error).toBe("States.TaskFailed");
    expect(JSON.parse(String(cause))).toMatchObject({ Status: "FAILED", Error: "E", Cause: "c" });
  });

  it("is only started without .sync:2", async () => {
    const child = await fixture.create(machine({ W: { Type: "Wait", Seconds: 600, End: true } }));
    const output = outputOf(await fixture.run(machine({ N: start("", child) })));
    const { ExecutionArn } = output as { ExecutionArn: string };
    expect((await fixture.describe(ExecutionArn)).status).toBe("RUNNING");
  });
});
