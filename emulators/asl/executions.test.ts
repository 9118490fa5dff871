import {
  DescribeExecutionCommand,
  GetActivityTaskCommand,
  ListExecutionsCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, machine, startFixture } from "./testing/fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture({});
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

  it("that do not exist are named in the error", async () => {
    const executionArn = "arn:aws:states:eu-central-1:000000000000:execution:none:none";
    await expect(fixture.describe(executionArn)).rejects.toMatchObject({
      name: "ExecutionDoesNotExist",
      message: `Execution Does Not Exist: '${executionArn}'`,
    });
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

  it("refuses an operation that is not supported", async () => {
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
