import { describe, expect, it } from "vitest";
import { namesOf } from "./names.ts";

const LONGEST_HOST = "h".repeat(63);
/** SQS's limit for a queue's name. */
const QUEUE_NAME_MAX = 80;

describe("names of a stage", () => {
  it("leave room for the longest host in the name of its queue", () => {
    const { hostQueuePrefix } = namesOf("production12");
    expect(`${hostQueuePrefix}${LONGEST_HOST}`.length).toBeLessThanOrEqual(QUEUE_NAME_MAX);
  });

  it("begin no queue of another stage", () => {
    const queue = `${namesOf("test2").hostQueuePrefix}host-a`;
    expect(queue.startsWith(namesOf("test").hostQueuePrefix)).toBe(false);
  });

  it.each(["Production", "a-b", "much-too-long", "averylongstage", "1st", ""])(
    "are refused for the stage `%s`",
    (stage) => {
      expect(() => namesOf(stage)).toThrow("Expected a stage of 1 to 12 lower-case letters");
    },
  );
});
