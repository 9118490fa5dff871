import { CreateQueueCommand, ListQueueTagsCommand } from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { errorOf } from "../testing/clients.ts";
import {
  bodies,
  createQueue,
  QueueUrl,
  receive,
  remove,
  send,
  setAttributes,
  sqs,
  useSqs,
} from "./fixtures.ts";

useSqs();

describe("refusals", () => {
  test.each<[string, () => Promise<unknown>, string, RegExp]>([
    ["FIFO queues", () => createQueue("a.fifo"), "UnsupportedOperation", /FIFO queues/],
    ["bad names", () => createQueue("a b"), "InvalidParameterValue", /alphanumeric/],
    [
      "tags",
      () => sqs.send(new CreateQueueCommand({ QueueName: "a", tags: { b: "c" } })),
      "UnsupportedOperation",
      /`tags`/,
    ],
    [
      "message groups",
      () => send("x", { MessageGroupId: "g" }),
      "UnsupportedOperation",
      /`MessageGroupId`/,
    ],
    [
      "policies",
      () => setAttributes({ Policy: "{}" }),
      "InvalidAttributeName",
      /Policy is unknown or not supported/,
    ],
    [
      "attributes out of range",
      () => setAttributes({ VisibilityTimeout: "43201" }),
      "InvalidAttributeValue",
      /0 to 43200, got 43201/,
    ],
    [
      "a wait of 21 seconds",
      () => receive({ WaitTimeSeconds: 21 }),
      "InvalidParameterValue",
      /WaitTimeSeconds/,
    ],
    [
      "eleven messages at once",
      () => receive({ MaxNumberOfMessages: 11 }),
      "InvalidParameterValue",
      /MaxNumberOfMessages/,
    ],
    ["a foreign receipt", () => remove("nonsense"), "ReceiptHandleIsInvalid", /receipt handle/],
    ["a missing queue", () => send("x", { QueueUrl: undefined }), "MissingParameter", /QueueUrl/],
    [
      "another operation",
      () => sqs.send(new ListQueueTagsCommand({ QueueUrl })),
      "UnknownOperationException",
      /ListQueueTags is not supported/,
    ],
  ])("%s", async (_, request, name, message) => {
    const error = await errorOf(request());
    expect(error.name).toBe(name);
    expect(error.message).toMatch(message);
  });

  test("accepts a message of 1 MiB, and refuses one byte more", async () => {
    const mebibyte = "x".repeat(1_048_576);
    await send(mebibyte);
    const error = await errorOf(send(`${mebibyte}x`));
    expect(error.message).toContain("shorter than 1048576 bytes");
    expect((await bodies()).map((body) => body?.length)).toEqual([1_048_576]);
  });
});
