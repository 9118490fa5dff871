import { ListExecutionsCommand, RedriveExecutionCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, invoke, machine, outputOf, startFixture } from "./testing/fixture.ts";

let broken = false;
let calls: unknown[] = [];
let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture({
    breakable: async (event) => {
      calls.push(event);
      if (broken && event !== "sound") throw new Error("broken");
      return event;
    },
  });
});
afterAll(() => fixture.close());

const passing = machine({ P: { Type: "Pass", End: true } });

describe("RedriveExecution", () => {
  const redrive = (executionArn: string, clientToken?: string) =>
    fixture.client.send(new RedriveExecutionCommand({ executionArn, clientToken }));

  it("continues from the state that failed, in the branch that failed", async () => {
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
