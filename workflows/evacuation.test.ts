import aslValidator from "asl-validator";
import { describe, expect, it } from "vitest";
import { AdvanceOutput, EvacuationInput } from "../core/evacuation/execution-input.ts";
import { evacuationTasks } from "../core/evacuation/tasks.ts";
import { refsOf } from "./asl.ts";
import { evacuationDefinition, STEPS_MAX } from "./evacuation.ts";

const name = (suffix: string) => `arn:aws:lambda:eu-central-1:123456789012:function:${suffix}`;
const definition = evacuationDefinition(refsOf(evacuationTasks, name));
const text = JSON.stringify(definition);
const tasks = Object.entries(definition.States).flatMap(([state, value]) =>
  value.Type === "Task" ? [[state, value] as const] : [],
);

/** AWS Step Functions Developer Guide, "Service quotas". */
const HISTORY_EVENTS_MAX = 25_000;
/** A step and its wait: 5 events of Advance, 2 of IsOver, 6 of AwaitChange. */
const EVENTS_PER_STEP = 13;

describe("the evacuation workflow", () => {
  it("is valid Amazon States Language", () => {
    expect(aslValidator(definition)).toMatchObject({ isValid: true });
  });

  it("calls each of its functions", () => {
    const called = tasks.map(
      ([, task]) => (task.Arguments as { FunctionName: string }).FunctionName,
    );
    expect([...new Set(called)].toSorted()).toEqual(evacuationTasks.map(name).toSorted());
  });

  it("leads to each of its states, and each of them exists", () => {
    const next = [...text.matchAll(/"(?:Next|Default|StartAt)":"(\w+)"/g)].map(([, to]) => to);
    expect([...new Set(next)].toSorted()).toEqual(Object.keys(definition.States).toSorted());
  });

  it.each(tasks)("gives %s a time limit, and survives Lambda's transient errors", (_, task) => {
    expect(task.TimeoutSeconds).toBeDefined();
    expect(task.Retry?.[0]?.ErrorEquals).toContain("Lambda.TooManyRequestsException");
  });

  it("stays far from the longest history, with a retry of each call", () => {
    expect(STEPS_MAX * EVENTS_PER_STEP * 2).toBeLessThan(HISTORY_EVENTS_MAX / 2);
  });

  it("reads only fields that the schemas have, and all of them", () => {
    const input = [...text.matchAll(/Execution\.Input\.(\w+)/g)].map(([, field]) => field);
    expect([...new Set(input)].toSorted()).toEqual(Object.keys(EvacuationInput.shape).toSorted());
    const output = [...text.matchAll(/result\.Payload\.(\w+)/g)].map(([, field]) => field);
    expect(output.toSorted()).toEqual(Object.keys(AdvanceOutput.shape).toSorted());
  });
});
