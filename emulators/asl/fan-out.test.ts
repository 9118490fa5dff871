import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, invoke, machine, outputOf, startFixture } from "./testing/fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture({
    echo: async (event) => ({ echoed: event }),
    failOn2: async (event) => {
      if (event === 2) throw Object.assign(new Error("2"), { name: "Boom" });
      return event;
    },
  });
});
afterAll(() => fixture.close());

const done = { Type: "Pass", End: true };

describe("Parallel", () => {
  it("joins its branches in their order", async () => {
    const states = {
      P: {
        Type: "Parallel",
        Arguments: { x: "{% $states.input.x + 1 %}" },
        Branches: [
          { StartAt: "A", States: { A: invoke("echo", "{% $states.input.x %}") } },
          { StartAt: "B", States: { B: { Type: "Pass", Output: "b", End: true } } },
        ],
        End: true,
      },
    };
    expect(outputOf(await fixture.run(machine(states), { x: 1 }))).toEqual([{ echoed: 2 }, "b"]);
  });

  it("stops its other branches when one fails, and catches its error", async () => {
    const states = {
      P: {
        Type: "Parallel",
        Branches: [
          { StartAt: "Fails", States: { Fails: invoke("failOn2", 2) } },
          { StartAt: "Waits", States: { Waits: { Type: "Wait", Seconds: 600, End: true } } },
        ],
        Catch: [{ ErrorEquals: ["Boom"], Next: "C" }],
        End: true,
      },
      C: done,
    };
    const execution = await fixture.run(machine(states));
    expect(outputOf(execution)).toMatchObject({ Error: "Boom" });
    const types = (await fixture.events(String(execution.executionArn))).map(({ type }) => type);
    expect(types).toEqual([
      "ExecutionStarted",
      "ParallelStateEntered",
      "ParallelStateStarted",
      "TaskStateEntered",
      "TaskScheduled",
      "TaskStarted",
      "WaitStateEntered",
      "TaskFailed",
      "WaitStateAborted",
      "ParallelStateFailed",
      "ParallelStateExited",
      "PassStateEntered",
      "PassStateExited",
      "ExecutionSucceeded",
    ]);
  });
});

describe("Map", () => {
  const processor = (state: object, config: object = { Mode: "INLINE" }) => ({
    ProcessorConfig: config,
    StartAt: "Item",
    States: { Item: state },
  });
  const distributed = { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" };

  it("runs its items with ItemSelector, and sees outer variables", async () => {
    const states = {
      Set: { Type: "Pass", Assign: { base: 10 }, Next: "M" },
      M: {
        Type: "Map",
        Items: "{% $states.input.xs %}",
        ItemSelector: {
          v: "{% $states.context.Map.Item.Value %}",
          i: "{% $states.context.Map.Item.Index %}",
        },
        MaxConcurrency: 2,
        ItemProcessor: processor({
          Type: "Pass",
          Output: "{% {'sum': $base + $states.input.v, 'at': $states.context.Map.Item.Index} %}",
          End: true,
        }),
        End: true,
      },
    };
    expect(outputOf(await fixture.run(machine(states), { xs: [1, 2, 3] }))).toEqual([
      { sum: 11, at: 0 },
      { sum: 12, at: 1 },
      { sum: 13, at: 2 },
    ]);
  });

  it("of no items gives no results", async () => {
    const states = { M: { Type: "Map", Items: [], ItemProcessor: processor(done), End: true } };
    expect(outputOf(await fixture.run(machine(states)))).toEqual([]);
  });

  it("fails with the first item that fails when inline", async () => {
    const states = {
      M: {
        Type: "Map",
        Items: [1, 2, 3],
        ItemProcessor: processor(invoke("failOn2", "{% $states.input %}")),
        End: true,
      },
    };
    expect((await fixture.run(machine(states))).error).toBe("Boom");
  });

  it("tolerates failed items up to the percentage when distributed", async () => {
    const map = (ToleratedFailurePercentage: number) =>
      machine({
        M: {
          Type: "Map",
          Label: "Evacuate",
          Items: "{% $states.input %}",
          MaxConcurrency: 2,
          ToleratedFailurePercentage,
          ItemProcessor: processor(invoke("failOn2", "{% $states.input %}"), distributed),
          End: true,
        },
      });
    expect(outputOf(await fixture.run(map(25), [1, 2, 3, 4]))).toEqual([1, 3, 4]);
    expect((await fixture.run(map(24), [1, 2, 3, 4])).error).toBe(
      "States.ExceedToleratedFailureThreshold",
    );
  });
});
