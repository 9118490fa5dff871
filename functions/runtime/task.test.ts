import { describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { NegotiationRefused, StaleMigration, TableBusy } from "../../core/errors.ts";
import { log } from "./log.ts";
import { task } from "./task.ts";

vi.stubEnv("TABLE_NAME", "switchyard");
vi.stubEnv("MIGRATION_STATE_MACHINE_ARN", "arn:aws:states:eu-central-1:1:stateMachine:m");
vi.stubEnv("EVACUATION_STATE_MACHINE_ARN", "arn:aws:states:eu-central-1:1:stateMachine:e");
vi.stubEnv("AGENT_EVENTS_FUNCTION", "agent-events");
vi.stubEnv("OPEN_WINDOW_FUNCTION_ARN", "arn:aws:lambda:eu-central-1:1:function:open-window");
vi.stubEnv("SCHEDULE_GROUP", "default");
vi.stubEnv("SCHEDULER_ROLE_ARN", "arn:aws:iam::1:role/scheduler");
vi.stubEnv("OPERATOR_TOKEN_SHA256", "0".repeat(64));
vi.stubEnv("DEAD_LETTER_QUEUE_ARN", "arn:aws:sqs:eu-central-1:123456789012:dead-letters");
vi.stubEnv("LOG_LEVEL", "silent");

const failing = (error: unknown) =>
  task(async () => {
    throw error;
  })({}).catch((thrown: unknown) => thrown);

describe("a task", () => {
  it.each([
    [new StaleMigration("over"), "info"],
    [new TableBusy("busy"), "warn"],
  ] as const)("names the state and the migration in the log of %s", async (error, level) => {
    const logged = vi.spyOn(log(), level).mockReturnValue(undefined);
    const failed = task(async () => Promise.reject(error));
    await expect(
      failed({ state: "Prepare", migrationId: "mig_1", taskToken: "t" }),
    ).rejects.toThrow();
    expect(logged.mock.calls).toEqual([
      [{ err: error, state: "Prepare", migrationId: "mig_1" }, expect.any(String)],
    ]);
    logged.mockRestore();
  });

  it("returns what it makes", async () => {
    expect(await task(async (event) => ({ event }))(1)).toEqual({ event: 1 });
  });

  it.each([new StaleMigration("over"), new NegotiationRefused("no"), z.int().safeParse("").error])(
    "passes a decision on unchanged: %s",
    async (error) => {
      expect(await failing(error)).toBe(error);
    },
  );

  it.each([
    new TableBusy("busy"),
    Object.assign(new Error("slow down"), { name: "ThrottlingException" }),
    "text",
  ])("gives other errors the name that is retried: %s", async (error) => {
    expect(await failing(error)).toMatchObject({
      name: "RetryableError",
      message: expect.stringMatching(/busy|slow down|text/),
      cause: error,
    });
  });
});
