import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, machine, outputOf, startFixture } from "./testing/fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture({});
});
afterAll(() => fixture.close());

const done = { Type: "Pass", End: true };

describe("flow", () => {
  it("loops with Choice, Wait and variables", async () => {
    const states = {
      Init: { Type: "Pass", Assign: { i: 0 }, Next: "Loop" },
      Loop: {
        Type: "Choice",
        Choices: [{ Condition: "{% $i < 3 %}", Next: "Inc" }],
        Default: "Done",
      },
      Inc: { Type: "Wait", Seconds: "{% 1 - 1 %}", Assign: { i: "{% $i + 1 %}" }, Next: "Loop" },
      Done: { Type: "Succeed", Output: { i: "{% $i %}" } },
    };
    expect(outputOf(await fixture.run(machine(states)))).toEqual({ i: 3 });
  });

  it("takes Assign and Output from the rule that matched", async () => {
    const states = {
      C: {
        Type: "Choice",
        Choices: [
          {
            Condition: "{% $states.input.x = 1 %}",
            Assign: { y: 1 },
            Output: { was: "one" },
            Next: "D",
          },
        ],
        Default: "D",
        Assign: { y: 2 },
        Output: { was: "other" },
      },
      D: { Type: "Pass", Output: { was: "{% $states.input.was %}", y: "{% $y %}" }, End: true },
    };
    expect(outputOf(await fixture.run(machine(states), { x: 1 }))).toEqual({ was: "one", y: 1 });
    expect(outputOf(await fixture.run(machine(states), { x: 5 }))).toEqual({ was: "other", y: 2 });
  });

  it("fails with States.NoChoiceMatched without a Default", async () => {
    const states = {
      C: { Type: "Choice", Choices: [{ Condition: "{% false %}", Next: "D" }] },
      D: done,
    };
    expect((await fixture.run(machine(states))).error).toBe("States.NoChoiceMatched");
  });

  it("ends in Fail with evaluated error and cause", async () => {
    const states = {
      F: { Type: "Fail", Error: "E", Cause: "{% 'because of ' & $states.input.x %}" },
    };
    const { status, error, cause } = await fixture.run(machine(states), { x: "y" });
    expect({ status, error, cause }).toEqual({
      status: "FAILED",
      error: "E",
      cause: "because of y",
    });
  });

  it("times out after the machine's TimeoutSeconds", async () => {
    const states = { W: { Type: "Wait", Seconds: 60, End: true } };
    const { status, error } = await fixture.run(machine(states, { TimeoutSeconds: 1 }));
    expect({ status, error }).toEqual({ status: "TIMED_OUT", error: "States.Timeout" });
  });

  it("gives the context object to expressions", async () => {
    const states = { A: { Type: "Pass", Output: "{% $states.context %}", End: true } };
    const execution = await fixture.run(machine(states), { a: 1 });
    expect(outputOf(execution)).toMatchObject({
      Execution: { Id: execution.executionArn, Name: execution.name, Input: { a: 1 } },
      State: { Name: "A", RetryCount: 0 },
      StateMachine: { Id: execution.stateMachineArn },
    });
  });
});

it("costs about a millisecond for each transition", async () => {
  const states = {
    Init: { Type: "Pass", Assign: { i: 0 }, Next: "Loop" },
    Loop: {
      Type: "Choice",
      Choices: [{ Condition: "{% $i < 500 %}", Next: "Inc" }],
      Default: "Done",
    },
    Inc: { Type: "Pass", Assign: { i: "{% $i + 1 %}" }, Next: "Loop" },
    Done: { Type: "Succeed" },
  };
  const { startDate, stopDate, status } = await fixture.run(machine(states));
  expect(status).toBe("SUCCEEDED");
  // 1,000 transitions; the bound leaves room for a busy machine.
  expect(Number(stopDate) - Number(startDate)).toBeLessThan(10_000);
});
