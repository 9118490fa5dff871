import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  DescribeStateMachineForExecutionCommand,
  GetActivityTaskCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  RedriveExecutionCommand,
  StartExecutionCommand,
  StopExecutionCommand,
  UpdateStateMachineCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Fixture,
  functionArn,
  invoke,
  machine,
  outputOf,
  ROLE,
  startFixture,
  tokenTray,
  waitForToken,
} from "./testing/fixture.ts";

const tray = tokenTray();
let broken = false;
let calls: unknown[] = [];
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture({
    echo: async (event) => event,
    keepToken: tray.handler,
    breakable: async (event) => {
      calls.push(event);
      if (broken && event !== "sound") throw new Error("broken");
      return event;
    },
  });
});
afterAll(() => fixture.close());

const waiting = machine({ W: { Type: "Wait", Seconds: 600, End: true } });
const passing = machine({ P: { Type: "Pass", End: true } });

describe("StartExecution", () => {
  it("returns the running execution of the same name and input", async () => {
    const arn = await fixture.create(waiting);
    const first = await fixture.start(arn, { a: 1 }, "same");
    expect(await fixture.start(arn, { a: 1 }, "same")).toBe(first);
    expect(await fixture.events(first)).toHaveLength(2);
  });

  it("refuses a name in use with another input, or ended", async () => {
    const exists = { name: "ExecutionAlreadyExists" };
    const arn = await fixture.create(waiting);
    const first = await fixture.start(arn, { a: 1 }, "same");
    await expect(fixture.start(arn, { a: 2 }, "same")).rejects.toMatchObject(exists);
    await fixture.client.send(new StopExecutionCommand({ executionArn: first }));
    await expect(fixture.start(arn, { a: 1 }, "same")).rejects.toMatchObject(exists);
  });

  it.each([
    ["a name with a space", { name: "a b" }, "InvalidName", "Invalid Name: 'a b'"],
    ["a name of 81 characters", { name: "n".repeat(81) }, "InvalidName", "Invalid Name"],
    ["input that is not JSON", { input: "{" }, "InvalidExecutionInput", "Invalid State Machine"],
    [
      "input of more than 256 KiB",
      { input: JSON.stringify("x".repeat(262_143)) },
      "InvalidExecutionInput",
      "larger than 262144 bytes",
    ],
    [
      "an empty ARN",
      { stateMachineArn: "" },
      "ValidationException",
      "1 validation error detected: Value '' at 'stateMachineArn' failed to satisfy constraint: " +
        "Member must have length greater than or equal to 1",
    ],
    [
      "no ARN",
      { stateMachineArn: undefined },
      "ValidationException",
      "Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null",
    ],
    [
      "a machine that is not there",
      { stateMachineArn: "arn:aws:states:eu-central-1:000000000000:stateMachine:none" },
      "StateMachineDoesNotExist",
      "State Machine Does Not Exist",
    ],
  ])("refuses %s", async (_what, fields, name, message) => {
    const stateMachineArn = await fixture.create(passing);
    const command = new StartExecutionCommand({ stateMachineArn, ...fields } as never);
    await expect(fixture.client.send(command)).rejects.toMatchObject({
      name,
      message: expect.stringContaining(message),
    });
  });
});

describe("state machines", () => {
  const definition = JSON.stringify(passing);
  const create = (fields: object = {}) =>
    fixture.client.send(
      new CreateStateMachineCommand({ name: "named", roleArn: ROLE, definition, ...fields }),
    );

  it("are created once for the same name and definition", async () => {
    const first = await create();
    expect(await create({ roleArn: `${ROLE}2` })).toMatchObject({
      stateMachineArn: first.stateMachineArn,
      creationDate: first.creationDate,
    });
    await expect(create({ definition: JSON.stringify(waiting) })).rejects.toMatchObject({
      name: "StateMachineAlreadyExists",
    });
  });

  it.each([
    ["Express", { type: "EXPRESS" }, "at 'type'"],
    ["versions", { publish: true }, "at 'publish'"],
    ["tags", { tags: [{ key: "k", value: "v" }] }, "Member 'tags' is not supported"],
  ])("refuse %s", async (_what, fields, message) => {
    await expect(create({ name: "other", ...fields })).rejects.toMatchObject({
      name: "ValidationException",
      message: expect.stringContaining(message),
    });
  });

  it("are updated for executions to come only", async () => {
    const arn = await fixture.create(machine({ T: waitForToken("keepToken") }));
    const execution = await fixture.start(arn);
    const token = await tray.next();
    await expect(
      fixture.client.send(new UpdateStateMachineCommand({ stateMachineArn: arn })),
    ).rejects.toMatchObject({ name: "MissingRequiredParameter" });
    const { revisionId } = await fixture.client.send(
      new UpdateStateMachineCommand({ stateMachineArn: arn, definition }),
    );
    const described = await fixture.client.send(
      new DescribeStateMachineCommand({ stateMachineArn: arn }),
    );
    expect(described).toMatchObject({ revisionId, definition, status: "ACTIVE", type: "STANDARD" });
    const own = await fixture.client.send(
      new DescribeStateMachineForExecutionCommand({ executionArn: execution }),
    );
    expect(own.definition).not.toBe(definition);
    await fixture.succeed(token, "old");
    expect(outputOf(await fixture.ended(execution))).toBe("old");
    expect(outputOf(await fixture.ended(await fixture.start(arn, "new")))).toBe("new");
  });

  it("are listed page by page", async () => {
    const created = [await fixture.create(passing), await fixture.create(passing)];
    const listed: (string | undefined)[] = [];
    let nextToken: string | undefined;
    do {
      const page = await fixture.client.send(
        new ListStateMachinesCommand({ maxResults: 1, nextToken }),
      );
      expect(page.stateMachines?.length).toBeLessThanOrEqual(1);
      listed.push(...(page.stateMachines ?? []).map((each) => each.stateMachineArn));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    expect(listed).toEqual(expect.arrayContaining(created));
    expect(new Set(listed).size).toBe(listed.length);
  });

  it("are deleted when their last execution has ended", async () => {
    const stateMachineArn = await fixture.create(waiting);
    const executionArn = await fixture.start(stateMachineArn);
    const describeMachine = new DescribeStateMachineCommand({ stateMachineArn });
    await fixture.client.send(new DeleteStateMachineCommand({ stateMachineArn }));
    expect((await fixture.client.send(describeMachine)).status).toBe("DELETING");
    await expect(fixture.start(stateMachineArn)).rejects.toMatchObject({
      name: "StateMachineDeleting",
    });
    await fixture.client.send(new StopExecutionCommand({ executionArn }));
    await expect(fixture.client.send(describeMachine)).rejects.toMatchObject({
      name: "StateMachineDoesNotExist",
    });
  });
});

describe("executions", () => {
  it("are stopped with error and cause", async () => {
    const executionArn = await fixture.start(await fixture.create(waiting));
    await fixture.client.send(
      new StopExecutionCommand({ executionArn, error: "Changed", cause: "my mind" }),
    );
    expect(await fixture.describe(executionArn)).toMatchObject({
      status: "ABORTED",
      error: "Changed",
      cause: "my mind",
      stopDate: expect.any(Date),
    });
    const types = (await fixture.events(executionArn)).map(({ type }) => type);
    expect(types.slice(-2)).toEqual(["WaitStateAborted", "ExecutionAborted"]);
  });

  it("are described without data on request", async () => {
    const { executionArn } = await fixture.run(passing, { secret: 1 });
    const described = await fixture.client.send(
      new DescribeExecutionCommand({ executionArn, includedData: "METADATA_ONLY" }),
    );
    expect(described).toMatchObject({ status: "SUCCEEDED", inputDetails: { included: false } });
    expect(described).not.toHaveProperty("input");
    expect(described).not.toHaveProperty("output");
  });

  it("are listed by status, latest first, page by page", async () => {
    const stateMachineArn = await fixture.create(waiting);
    const arns: string[] = [];
    for (const name of ["a", "b", "c"]) arns.push(await fixture.start(stateMachineArn, {}, name));
    await fixture.client.send(new StopExecutionCommand({ executionArn: String(arns[1]) }));
    const list = (fields: object) =>
      fixture.client.send(new ListExecutionsCommand({ stateMachineArn, ...fields }));
    const aborted = await list({ statusFilter: "ABORTED" });
    expect(aborted.executions?.map(({ name }) => name)).toEqual(["b"]);
    const first = await list({ maxResults: 2 });
    const second = await list({ maxResults: 2, nextToken: first.nextToken });
    const names = [first, second].flatMap((page) => page.executions?.map(({ name }) => name));
    expect(names.sort()).toEqual(["a", "b", "c"]);
    expect(second.nextToken).toBeUndefined();
    await expect(list({ nextToken: "nonsense" })).rejects.toMatchObject({ name: "InvalidToken" });
  });

  it("that are not there are named", async () => {
    const executionArn = "arn:aws:states:eu-central-1:000000000000:execution:none:none";
    await expect(fixture.describe(executionArn)).rejects.toMatchObject({
      name: "ExecutionDoesNotExist",
      message: `Execution Does Not Exist: '${executionArn}'`,
    });
  });
});

describe("history", () => {
  it("has AWS's events, parsed by the SDK", async () => {
    const states = {
      A: invoke("echo", { x: 1 }, { Assign: { n: 1 }, TimeoutSeconds: 9, Next: "B" }),
      B: { Type: "Task", Resource: functionArn("echo"), Next: "C" },
      C: waitForToken("keepToken", { HeartbeatSeconds: 5, TimeoutSeconds: 9, End: true }),
    };
    const arn = await fixture.start(await fixture.create(machine(states)));
    await fixture.succeed(await tray.next(), "done");
    await fixture.ended(arn);
    const events = await fixture.events(arn);
    const invoked = { resourceType: "lambda", resource: "invoke" };
    expect(events).toMatchObject([
      { type: "ExecutionStarted", executionStartedEventDetails: { input: "{}", roleArn: ROLE } },
      { type: "TaskStateEntered", stateEnteredEventDetails: { name: "A", input: "{}" } },
      {
        type: "TaskScheduled",
        taskScheduledEventDetails: { ...invoked, region: "eu-central-1", timeoutInSeconds: 9 },
      },
      { type: "TaskStarted", taskStartedEventDetails: invoked },
      { type: "TaskSucceeded", taskSucceededEventDetails: invoked },
      {
        type: "TaskStateExited",
        stateExitedEventDetails: {
          name: "A",
          output: '{"x":1}',
          assignedVariables: { n: "1" },
        },
      },
      { type: "TaskStateEntered" },
      {
        type: "LambdaFunctionScheduled",
        lambdaFunctionScheduledEventDetails: { resource: functionArn("echo"), input: '{"x":1}' },
      },
      { type: "LambdaFunctionStarted" },
      {
        type: "LambdaFunctionSucceeded",
        lambdaFunctionSucceededEventDetails: { output: '{"x":1}' },
      },
      { type: "TaskStateExited" },
      { type: "TaskStateEntered" },
      {
        type: "TaskScheduled",
        taskScheduledEventDetails: {
          resource: "invoke.waitForTaskToken",
          timeoutInSeconds: 9,
          heartbeatInSeconds: 5,
        },
      },
      { type: "TaskStarted" },
      { type: "TaskSubmitted", taskSubmittedEventDetails: { resourceType: "lambda" } },
      { type: "TaskSucceeded", taskSucceededEventDetails: { output: '"done"' } },
      { type: "TaskStateExited" },
      { type: "ExecutionSucceeded", executionSucceededEventDetails: { output: '"done"' } },
    ]);
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index + 1));
    expect(events.every(({ timestamp }) => timestamp instanceof Date)).toBe(true);
  });

  it("tells the story of a Map and of a failed expression", async () => {
    const states = {
      M: {
        Type: "Map",
        Items: [1],
        ItemProcessor: {
          StartAt: "I",
          States: { I: { Type: "Pass", Output: "{% $states.input.x %}", End: true } },
        },
        End: true,
      },
    };
    const execution = await fixture.run(machine(states));
    expect(await fixture.events(String(execution.executionArn))).toMatchObject([
      { type: "ExecutionStarted" },
      { type: "MapStateEntered" },
      { type: "MapStateStarted", mapStateStartedEventDetails: { length: 1 } },
      { type: "MapIterationStarted", mapIterationStartedEventDetails: { name: "M", index: 0 } },
      { type: "PassStateEntered", previousEventId: 4 },
      {
        type: "EvaluationFailed",
        evaluationFailedEventDetails: {
          state: "I",
          location: "Output",
          error: "States.QueryEvaluationError",
        },
      },
      { type: "MapIterationFailed", mapIterationFailedEventDetails: { name: "M", index: 0 } },
      { type: "MapStateFailed" },
      {
        type: "ExecutionFailed",
        executionFailedEventDetails: { error: "States.QueryEvaluationError" },
      },
    ]);
  });

  it("is read in pages, either way, with or without data", async () => {
    const { executionArn } = await fixture.run(passing, { secret: 1 });
    const read = (fields: object) =>
      fixture.client.send(new GetExecutionHistoryCommand({ executionArn, ...fields }));
    const first = await read({ maxResults: 3, reverseOrder: true });
    const rest = await read({ maxResults: 3, reverseOrder: true, nextToken: first.nextToken });
    const ids = [...(first.events ?? []), ...(rest.events ?? [])].map(({ id }) => id);
    expect(ids).toEqual([4, 3, 2, 1]);
    const bare = await read({ includeExecutionData: false });
    expect(JSON.stringify(bare.events)).not.toContain("secret");
  });

  it("ends the execution when it is full", async () => {
    const states = {
      Loop: { Type: "Pass", Next: "Again" },
      Again: { Type: "Choice", Choices: [{ Condition: "{% true %}", Next: "Loop" }] },
    };
    const { status, cause, executionArn } = await fixture.run(
      machine({ ...states, Again: { ...states.Again, Default: "End" }, End: { Type: "Succeed" } }),
    );
    expect(status).toBe("FAILED");
    expect(cause).toContain("maximum number of history events (25000)");
    const last = await fixture.client.send(
      new GetExecutionHistoryCommand({ executionArn, reverseOrder: true, maxResults: 1 }),
    );
    expect(last.events).toMatchObject([{ id: 25_000, type: "ExecutionFailed" }]);
  });
});

describe("RedriveExecution", () => {
  const redrive = (executionArn: string, clientToken?: string) =>
    fixture.client.send(new RedriveExecutionCommand({ executionArn, clientToken }));

  it("goes on from the state that failed, in the branch that failed", async () => {
    calls = [];
    broken = true;
    const branch = (name: string, event: string) => ({
      StartAt: name,
      States: { [name]: invoke("breakable", event) },
    });
    const states = {
      First: invoke("breakable", "sound", { Assign: { kept: 1 }, Next: "P" }),
      P: {
        Type: "Parallel",
        Branches: [branch("Sound", "sound"), branch("Weak", "weak")],
        Next: "Last",
      },
      Last: {
        Type: "Pass",
        Output: {
          results: "{% $states.input %}",
          kept: "{% $kept %}",
          redrives: "{% $states.context.Execution.RedriveCount %}",
        },
        End: true,
      },
    };
    const { executionArn = "" } = await fixture.run(machine(states));
    expect(await fixture.describe(executionArn)).toMatchObject({
      status: "FAILED",
      redriveStatus: "REDRIVABLE",
    });
    broken = false;
    const { redriveDate } = await redrive(executionArn, "once");
    expect(await redrive(executionArn, "once")).toMatchObject({ redriveDate });
    expect(outputOf(await fixture.ended(executionArn))).toEqual({
      results: ["sound", "weak"],
      kept: 1,
      redrives: 1,
    });
    expect(calls.toSorted()).toEqual(["sound", "sound", "weak", "weak"]);
    const types = (await fixture.events(executionArn)).map(({ type }) => type);
    expect(types.filter((type) => type === "ExecutionRedriven")).toHaveLength(1);
  });

  it("runs the failed items of a distributed Map again, and only those", async () => {
    calls = [];
    broken = true;
    const states = {
      M: {
        Type: "Map",
        Label: "M",
        Items: ["sound", "weak"],
        MaxConcurrency: 1,
        ItemProcessor: {
          ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
          StartAt: "I",
          States: { I: invoke("breakable", "{% $states.input %}") },
        },
        End: true,
      },
    };
    const { executionArn = "", status } = await fixture.run(machine(states));
    expect(status).toBe("FAILED");
    const started = (await fixture.events(executionArn)).find(
      ({ type }) => type === "MapRunStarted",
    );
    const mapRunArn = started?.mapRunStartedEventDetails?.mapRunArn;
    const listed = await fixture.client.send(
      new ListExecutionsCommand({ mapRunArn, statusFilter: "FAILED" }),
    );
    expect(listed.executions).toHaveLength(1);
    const itemArn = String(listed.executions?.[0]?.executionArn);
    await expect(redrive(itemArn)).rejects.toMatchObject({ name: "ExecutionNotRedrivable" });
    broken = false;
    await redrive(executionArn);
    expect(outputOf(await fixture.ended(executionArn))).toEqual(["sound", "weak"]);
    expect(calls).toEqual(["sound", "weak", "weak"]);
  });

  it("is refused for an execution that runs or has succeeded", async () => {
    const { executionArn = "" } = await fixture.run(passing);
    await expect(redrive(executionArn)).rejects.toMatchObject({
      name: "ExecutionNotRedrivable",
      message: "Execution is SUCCEEDED and cannot be redriven",
    });
  });
});

describe("task tokens", () => {
  it("that never were are InvalidToken", async () => {
    await expect(fixture.beat("nonsense")).rejects.toMatchObject({ name: "InvalidToken" });
  });

  it("of an unknown execution are TaskDoesNotExist", async () => {
    const token = `swy1.${"0".repeat(32)}.1.${"A".repeat(24)}`;
    await expect(fixture.beat(token)).rejects.toMatchObject({ name: "TaskDoesNotExist" });
  });

  it("that were used, or guessed, or belong to an ended execution are TaskTimedOut", async () => {
    const states = { A: waitForToken("keepToken", { Next: "B" }), B: waitForToken("keepToken") };
    const arn = await fixture.start(await fixture.create(machine(states)));
    const timedOut = { name: "TaskTimedOut" };
    const first = await tray.next();
    await fixture.succeed(first, 1);
    const second = await tray.next();
    await expect(fixture.succeed(first, 1)).rejects.toMatchObject(timedOut);
    const guessed = `${second.slice(0, -24)}${"A".repeat(24)}`;
    await expect(fixture.succeed(guessed, 1)).rejects.toMatchObject(timedOut);
    await fixture.succeed(second, 2);
    await fixture.ended(arn);
    await expect(fixture.fail(second, "E", "c")).rejects.toMatchObject(timedOut);
  });

  it("refuse output that is not JSON", async () => {
    const { SendTaskSuccessCommand } = await import("@aws-sdk/client-sfn");
    const command = new SendTaskSuccessCommand({ taskToken: "t", output: "{" });
    await expect(fixture.client.send(command)).rejects.toMatchObject({ name: "InvalidOutput" });
  });
});

describe("the protocol", () => {
  const post = (operation: string, body: string) =>
    fetch(fixture.endpoint, {
      method: "POST",
      body,
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `AWSStepFunctions.${operation}`,
      },
    });

  it("says that an operation is not supported", async () => {
    const activityArn = "arn:aws:states:eu-central-1:000000000000:activity:a";
    await expect(
      fixture.client.send(new GetActivityTaskCommand({ activityArn })),
    ).rejects.toMatchObject({ name: "UnknownOperationException" });
    expect((await post("toString", "{}")).status).toBe(400);
  });

  it("refuses a body of more than 1 MiB", async () => {
    expect((await post("StartExecution", " ".repeat(1_048_577))).status).toBe(413);
  });

  it("writes times as epoch seconds", async () => {
    const stateMachineArn = await fixture.create(passing);
    const response = await post("StartExecution", JSON.stringify({ stateMachineArn }));
    const { startDate } = (await response.json()) as { startDate: number };
    expect(Math.abs(startDate - Date.now() / 1000)).toBeLessThan(60);
  });
});
