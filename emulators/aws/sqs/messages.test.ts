import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { errorOf } from "../testing/clients.ts";
import {
  attributes,
  bodies,
  changeVisibility,
  nowMs,
  pass,
  receive,
  remove,
  send,
  setAttributes,
  useSqs,
} from "./fixtures.ts";

useSqs();

describe("messages", () => {
  test("a message arrives with its digests, attributes and history", async () => {
    const MessageAttributes = {
      kind: { DataType: "String", StringValue: "probe" },
      weight: { DataType: "Number.int", StringValue: "3" },
      raw: { DataType: "Binary", BinaryValue: new Uint8Array([1, 2, 255]) },
    };
    const sent = await send("héllo ✓", { MessageAttributes });
    pass(1_000);
    const [message] = await receive({ MessageAttributeNames: ["All"] });
    expect(message).toMatchObject({
      MessageId: sent.MessageId,
      Body: "héllo ✓",
      MD5OfBody: createHash("md5").update("héllo ✓").digest("hex"),
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      MessageAttributes,
      Attributes: {
        ApproximateFirstReceiveTimestamp: `${nowMs}`,
        ApproximateReceiveCount: "1",
        SenderId: "000000000000",
        SentTimestamp: `${nowMs - 1_000}`,
      },
    });
  });

  test("the digest of attributes is the one SQS computes", async () => {
    // Computed by hand after the developer guide's recipe, independently of the server's code.
    const part = (text: string) => {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(Buffer.byteLength(text));
      return Buffer.concat([size, Buffer.from(text)]);
    };
    const encoded = Buffer.concat([part("a"), part("String"), Buffer.from([1]), part("b")]);
    const { MD5OfMessageAttributes } = await send("x", {
      MessageAttributes: { a: { DataType: "String", StringValue: "b" } },
    });
    expect(MD5OfMessageAttributes).toBe(createHash("md5").update(encoded).digest("hex"));
  });

  test("attributes come only when asked for, by name or prefix", async () => {
    const text = (StringValue: string) => ({ DataType: "String", StringValue });
    await send("x", { MessageAttributes: { "a.1": text("1"), "a.2": text("2"), b: text("3") } });
    const namesFor = async (...MessageAttributeNames: string[]) => {
      const [message] = await receive({ MessageAttributeNames, VisibilityTimeout: 0 });
      return Object.keys(message?.MessageAttributes ?? {});
    };
    expect(await namesFor()).toEqual([]);
    expect(await namesFor("b")).toEqual(["b"]);
    expect(await namesFor("a.*")).toEqual(["a.1", "a.2"]);
  });

  test("messages arrive in the order of sending, at most as many as requested", async () => {
    for (const body of ["1", "2", "3", "4"]) await send(body);
    expect(await bodies({ MaxNumberOfMessages: 3 })).toEqual(["1", "2", "3"]);
    expect(await bodies()).toEqual(["4"]);
  });

  test("a received message is hidden until its visibility timeout, and is counted", async () => {
    await send("x");
    const [first] = await receive({ VisibilityTimeout: 10 });
    pass(9_999);
    expect(await bodies()).toEqual([]);
    pass(1);
    const [second] = await receive();
    expect(second?.MessageId).toBe(first?.MessageId);
    expect(second?.Attributes?.ApproximateReceiveCount).toBe("2");
    expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
  });

  test("with a visibility timeout of zero a receive returns a message once", async () => {
    await send("x");
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["x"]);
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["x"]);
  });

  test("a deleted message does not come back, and deleting it again is harmless", async () => {
    await send("x");
    const [message] = await receive();
    await remove(message?.ReceiptHandle);
    await remove(message?.ReceiptHandle);
    pass(60_000);
    expect(await bodies()).toEqual([]);
  });

  test("the receipt of an earlier receive deletes nothing", async () => {
    await send("x");
    const [first] = await receive({ VisibilityTimeout: 1 });
    pass(1_000);
    await receive({ VisibilityTimeout: 1 });
    await remove(first?.ReceiptHandle);
    pass(1_000);
    expect(await bodies()).toEqual(["x"]);
  });

  test("visibility can be prolonged, up to twelve hours in all, and given up", async () => {
    await send("x");
    const [message] = await receive({ VisibilityTimeout: 10 });
    await changeVisibility(message?.ReceiptHandle, 60);
    pass(30_000);
    expect(await bodies()).toEqual([]);
    const error = await errorOf(changeVisibility(message?.ReceiptHandle, 43_200));
    expect(error.message).toContain("beyond the limit");
    await changeVisibility(message?.ReceiptHandle, 0);
    expect(await bodies()).toEqual(["x"]);
  });

  test("the visibility of a message that is not in flight cannot be changed", async () => {
    await send("x");
    const [message] = await receive({ VisibilityTimeout: 1 });
    pass(1_000);
    const late = await errorOf(changeVisibility(message?.ReceiptHandle, 10));
    expect(late.name).toBe("MessageNotInflight");
    await remove(message?.ReceiptHandle);
    const gone = await errorOf(changeVisibility(message?.ReceiptHandle, 10));
    expect(gone.message).toContain("Message does not exist");
  });

  test("a delayed message arrives after its delay, of its own or of the queue", async () => {
    await setAttributes({ DelaySeconds: "20" });
    await send("queue's delay");
    await send("own delay", { DelaySeconds: 10 });
    expect(await attributes("ApproximateNumberOfMessagesDelayed")).toEqual({
      ApproximateNumberOfMessagesDelayed: "2",
    });
    pass(10_000);
    expect(await bodies()).toEqual(["own delay"]);
    pass(10_000);
    expect(await bodies()).toEqual(["queue's delay"]);
  });

  test("a message is kept for the retention period and not longer", async () => {
    await setAttributes({ MessageRetentionPeriod: "60" });
    await send("old");
    pass(59_999);
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["old"]);
    pass(1);
    const count = "ApproximateNumberOfMessages";
    expect(await attributes(count)).toEqual({ [count]: "0" });
    expect(await bodies()).toEqual([]);
  });
});
