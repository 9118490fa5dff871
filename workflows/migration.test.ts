import aslValidator from "asl-validator";
import { describe, expect, it } from "vitest";
import { migrationTasks } from "../core/migration/tasks.ts";
import { refsOf } from "./asl.ts";
import { migrationDefinition } from "./migration.ts";

const name = (suffix: string) => `arn:aws:lambda:eu-central-1:123456789012:function:${suffix}`;
const definition = migrationDefinition(refsOf(migrationTasks, name));
const tasks = Object.entries(definition.States).flatMap(([state, value]) =>
  value.Type === "Task" ? [[state, value] as const] : [],
);

describe("the migration workflow", () => {
  it("is valid Amazon States Language", () => {
    expect(aslValidator(definition)).toMatchObject({ isValid: true });
  });

  it.each(tasks)("%s has a bound, and beats below it when it waits for a token", (_, task) => {
    expect(task.TimeoutSeconds).toBeDefined();
    if (!task.Resource.endsWith(".waitForTaskToken")) return;
    expect(task.HeartbeatSeconds).toBeGreaterThan(0);
    if (typeof task.TimeoutSeconds === "number") {
      expect(task.HeartbeatSeconds).toBeLessThan(task.TimeoutSeconds);
    }
  });

  it.each(tasks)("%s survives Lambda's transient errors", (_, task) => {
    expect(task.Retry?.[0]?.ErrorEquals).toContain("Lambda.TooManyRequestsException");
  });

  it.each(tasks)("%s leaves no failure uncaught", (state, task) => {
    const ends = ["Complete", "EndMigration", "Reconcile"].includes(state);
    const caught = task.Catch?.some((catcher) => catcher.ErrorEquals.includes("States.ALL"));
    const retried = task.Retry?.some((retrier) => retrier.ErrorEquals.includes("States.ALL"));
    expect(ends ? retried : caught).toBe(true);
  });
});
