import { describe, expect, it, vi } from "vitest";

const complete = {
  TABLE_NAME: "switchyard",
  MIGRATION_STATE_MACHINE_ARN: "arn:aws:states:eu-central-1:123456789012:stateMachine:migration",
  EVACUATION_STATE_MACHINE_ARN: "arn:aws:states:eu-central-1:123456789012:stateMachine:evacuation",
  AGENT_EVENTS_FUNCTION: "agent-events",
  OPEN_WINDOW_FUNCTION_ARN: "arn:aws:lambda:eu-central-1:123456789012:function:open-window",
  SCHEDULE_GROUP: "default",
  SCHEDULER_ROLE_ARN: "arn:aws:iam::123456789012:role/test",
  OPERATOR_TOKEN_SHA256: "0".repeat(64),
  DEAD_LETTER_QUEUE_ARN: "arn:aws:sqs:eu-central-1:123456789012:dead-letters",
};

async function read(environment: Record<string, string | undefined>) {
  vi.resetModules();
  for (const [name, value] of Object.entries({ ...complete, ...environment })) {
    vi.stubEnv(name, value);
  }
  const { config } = await import("./config.ts");
  return config();
}

describe("config", () => {
  it("has defaults for what is not set", async () => {
    const defaults = { HOST_QUEUE_PREFIX: undefined, LOG_LEVEL: undefined };
    expect(await read(defaults)).toMatchObject({
      hostQueuePrefix: "switchyard-host-",
      logLevel: "info",
    });
  });

  it.each([
    ["TABLE_NAME", undefined],
    ["MIGRATION_STATE_MACHINE_ARN", "arn:aws:lambda:eu-central-1:123456789012:function:f"],
    ["EVACUATION_STATE_MACHINE_ARN", undefined],
    ["AGENT_EVENTS_FUNCTION", ""],
    ["OPEN_WINDOW_FUNCTION_ARN", "open-window"],
    ["SCHEDULE_GROUP", "a/b"],
    ["SCHEDULER_ROLE_ARN", undefined],
    ["OPERATOR_TOKEN_SHA256", "the token itself"],
    ["HOST_QUEUE_PREFIX", "with space "],
    ["DEAD_LETTER_QUEUE_ARN", "dead-letters"],
    ["LOG_LEVEL", "loud"],
  ])("names %s when it is missing or malformed", async (name, value) => {
    await expect(read({ [name]: value })).rejects.toThrow(name);
  });
});
