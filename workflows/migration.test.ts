import aslValidator from "asl-validator";
import { describe, expect, it } from "vitest";
import { migrationDefinition } from "./migration.ts";

const name = (suffix: string) => `arn:aws:lambda:eu-central-1:123456789012:function:${suffix}`;
const definition = migrationDefinition({
  admit: name("admit"),
  relay: name("relay"),
  negotiate: name("negotiate"),
  awaitSignal: name("await-signal"),
  ackExpired: name("ack-expired"),
  complete: name("complete"),
  reconcile: name("reconcile"),
  release: name("release"),
});
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
    const ends = ["Complete", "Release", "Reconcile"].includes(state);
    const caught = task.Catch?.some((catcher) => catcher.ErrorEquals.includes("States.ALL"));
    const retried = task.Retry?.some((retrier) => retrier.ErrorEquals.includes("States.ALL"));
    expect(ends ? retried : caught).toBe(true);
  });
});
