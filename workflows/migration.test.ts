import aslValidator from "asl-validator";
import { describe, expect, it } from "vitest";
import { ExecutionInput } from "../core/migration/execution-input.ts";
import { migrationTasks } from "../core/migration/tasks.ts";
import { WaitOutput } from "../core/migration/wait-output.ts";
import { refsOf } from "./asl.ts";
import { migrationDefinition } from "./migration.ts";
import { jsonataFunctions } from "./testing/jsonata-functions.ts";

const name = (suffix: string) => `arn:aws:lambda:eu-central-1:123456789012:function:${suffix}`;
const definition = migrationDefinition(refsOf(migrationTasks, name));
const text = JSON.stringify(definition);
const tasks = Object.entries(definition.States).flatMap(([state, value]) =>
  value.Type === "Task" ? [[state, value] as const] : [],
);
const assigned = new Set(assignmentsIn(definition).flatMap((values) => Object.keys(values)));
const expressions = [...text.matchAll(/\{%.*?%\}/g)].map(([expression]) => expression);

describe("the migration workflow", () => {
  it("is valid Amazon States Language", () => {
    expect(aslValidator(definition)).toMatchObject({ isValid: true });
  });

  it("calls each of its functions", () => {
    const called = tasks.map(
      ([, task]) => (task.Arguments as { FunctionName: string }).FunctionName,
    );
    expect([...new Set(called)].toSorted()).toEqual(migrationTasks.map(name).toSorted());
  });

  it("leads to each of its states, and each of them exists", () => {
    const next = [...text.matchAll(/"(?:Next|Default|StartAt)":"(\w+)"/g)].map(([, to]) => to);
    expect([...new Set(next)].toSorted()).toEqual(Object.keys(definition.States).toSorted());
  });
});

describe("each task", () => {
  it.each(tasks)(
    "%s has a time limit, and a shorter heartbeat if it waits for a token",
    (_, task) => {
      expect(task.TimeoutSeconds).toBeDefined();
      if (!task.Resource.endsWith(".waitForTaskToken")) return;
      expect(task.HeartbeatSeconds).toBeGreaterThan(0);
      if (typeof task.TimeoutSeconds === "number") {
        expect(task.HeartbeatSeconds).toBeLessThan(task.TimeoutSeconds);
      }
    },
  );

  it.each(tasks)("%s survives Lambda's transient errors", (_, task) => {
    expect(task.Retry?.[0]?.ErrorEquals).toContain("Lambda.TooManyRequestsException");
  });

  it.each(tasks)("%s catches every failure, or retries it if it records the end", (state, task) => {
    const ends = ["Complete", "EndMigration", "Reconcile"].includes(state);
    const caught = task.Catch?.some((catcher) => catcher.ErrorEquals.includes("States.ALL"));
    const retried = task.Retry?.some((retrier) => retrier.ErrorEquals.includes("States.ALL"));
    expect(ends ? retried : caught).toBe(true);
  });
});

describe("expressions", () => {
  it("read only fields that the schema of the input has, and all of these", () => {
    const read = [...text.matchAll(/Execution\.Input\.(\w+)/g)].map(([, field]) => field);
    expect([...new Set(read)].toSorted()).toEqual(Object.keys(ExecutionInput.shape).toSorted());
    expect(text).not.toMatch(/Execution\.Input(?!\.\w)/);
  });

  it("read only fields that the schema of a wait's output has", () => {
    const read = [...text.matchAll(/\$states\.result\.(?!Payload\b)(\w+)/g)].map(([, one]) => one);
    expect([...new Set(read)]).toEqual(Object.keys(WaitOutput.shape));
  });

  it("read only variables that are assigned somewhere", () => {
    const read = expressions.flatMap((expression) =>
      [...expression.matchAll(/\$(\w+)(?!\w*\()/g)].map(([, variable = ""]) => variable),
    );
    expect(read.filter((variable) => variable !== "states" && !assigned.has(variable))).toEqual([]);
  });

  it("call only functions of JSONata", () => {
    const called = expressions.flatMap((expression) =>
      [...expression.matchAll(/\$(\w+)\(/g)].map(([, one = ""]) => one),
    );
    expect(called.length).toBeGreaterThan(0);
    expect(called.filter((one) => !jsonataFunctions.has(one))).toEqual([]);
  });

  it("hide no function of JSONata behind a variable of the same name", () => {
    expect(assigned.size).toBeGreaterThan(0);
    expect([...assigned].filter((variable) => jsonataFunctions.has(variable))).toEqual([]);
  });
});

function assignmentsIn(value: unknown): object[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "Assign" ? [inner as object] : assignmentsIn(inner),
  );
}
