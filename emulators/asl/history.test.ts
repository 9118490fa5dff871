import { GetExecutionHistoryCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Fixture,
  functionArn,
  invoke,
  machine,
  ROLE,
  startFixture,
  tokenTray,
  waitForToken,
} from "./testing/fixture.ts";

const tray = tokenTray();
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture({
    echo: async (event) => event,
    keepToken: tray.handler,
  });
});
afterAll(() => fixture.close());

const passing = machine({ P: { Type: "Pass", End: true } });

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

  it("records a Map and a failed expression", async () => {
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
