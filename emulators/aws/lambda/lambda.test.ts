import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ManualClock } from "../clock.ts";
import { functionNameOf, functionRegistry, PAYLOAD_BYTES_MAX } from "./registry.ts";
import { type Lambda, startLambda } from "./server.ts";

const ARN = "arn:aws:lambda:eu-central-1:000000000000:function:";

class OutOfStockError extends Error {
  override name = "OutOfStockError";
}

const clock = new ManualClock();
const registry = functionRegistry({ clock });
const seen: unknown[] = [];
registry.register("echo", async (event, context) => {
  seen.push(event);
  return { event, name: context.functionName, leftMs: context.getRemainingTimeInMillis() };
});
registry.register("fail", async () => {
  throw new OutOfStockError("try later");
});
registry.register("hang", () => new Promise(() => {}), { timeoutMs: 1500 });
registry.register("nothing", async () => undefined);
registry.register("large", async () => "x".repeat(PAYLOAD_BYTES_MAX));

let lambda: Lambda;
let client: LambdaClient;
beforeAll(async () => {
  lambda = await startLambda({ registry });
  client = new LambdaClient({
    endpoint: lambda.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  });
});
afterAll(async () => {
  client.destroy();
  await lambda.close();
});

async function invoke(name: string, payload?: unknown, fields: object = {}) {
  const answer = await client.send(
    new InvokeCommand({
      FunctionName: name,
      ...(payload !== undefined && { Payload: JSON.stringify(payload) }),
      ...fields,
    }),
  );
  const text = answer.Payload?.transformToString() ?? "";
  return { ...answer, payload: text === "" ? undefined : JSON.parse(text) };
}

describe("Invoke", () => {
  it.each(["echo", `${ARN}echo`, `${ARN}echo:$LATEST`, "000000000000:function:echo"])(
    "calls the function %s",
    async (name) => {
      const { StatusCode, FunctionError, ExecutedVersion, payload } = await invoke(name, { a: 1 });
      expect({ StatusCode, FunctionError, ExecutedVersion }).toEqual({
        StatusCode: 200,
        FunctionError: undefined,
        ExecutedVersion: "$LATEST",
      });
      expect(payload).toEqual({ event: { a: 1 }, name: "echo", leftMs: 30_000 });
    },
  );

  it("answers an error with its document and FunctionError Unhandled", async () => {
    const { StatusCode, FunctionError, payload } = await invoke("fail");
    expect({ StatusCode, FunctionError }).toEqual({ StatusCode: 200, FunctionError: "Unhandled" });
    expect(payload).toEqual({
      errorType: "OutOfStockError",
      errorMessage: "try later",
      trace: expect.arrayContaining(["OutOfStockError: try later"]),
    });
  });

  it("gives up after the function's timeout", async () => {
    const answer = invoke("hang");
    await vi.waitFor(async () => {
      await clock.advance(0);
      expect(clock.pending).toBe(1);
    }, 20_000);
    await clock.advance(1500);
    const { FunctionError, payload } = await answer;
    expect(FunctionError).toBe("Unhandled");
    expect(payload).toEqual({
      errorType: "Sandbox.Timedout",
      errorMessage: expect.stringMatching(/^RequestId: .* Task timed out after 1.50 seconds$/),
    });
  });

  it("answers null where a function returns nothing", async () => {
    expect((await invoke("nothing")).payload).toBeNull();
  });

  it("answers Event at once, and calls the function nevertheless", async () => {
    seen.length = 0;
    const { StatusCode } = await invoke("echo", { later: 1 }, { InvocationType: "Event" });
    expect(StatusCode).toBe(202);
    await vi.waitFor(() => expect(seen).toEqual([{ later: 1 }]), 20_000);
  });

  it("does not call the function for DryRun", async () => {
    seen.length = 0;
    expect((await invoke("echo", {}, { InvocationType: "DryRun" })).StatusCode).toBe(204);
    expect(seen).toEqual([]);
  });

  it("names a function that is not there", async () => {
    await expect(invoke("missing")).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: `Function not found: ${ARN}missing`,
    });
  });

  it("refuses a request of more than 6 MiB", async () => {
    await expect(invoke("echo", "x".repeat(PAYLOAD_BYTES_MAX))).rejects.toMatchObject({
      name: "RequestTooLargeException",
    });
  });

  it("answers a result of more than 6 MiB with an error", async () => {
    expect((await invoke("large")).payload).toMatchObject({
      errorType: "Function.ResponseSizeTooLarge",
    });
  });

  it("refuses a payload that is not JSON", async () => {
    await expect(
      client.send(new InvokeCommand({ FunctionName: "echo", Payload: "{" })),
    ).rejects.toMatchObject({ name: "InvalidRequestContentException" });
  });
});

it("requests of web pages are refused", async () => {
  const url = `${lambda.endpoint}/2015-03-31/functions/echo/invocations`;
  const headers = { origin: "http://example.com" };
  expect((await fetch(url, { method: "POST", body: "{}", headers })).status).toBe(403);
});

it("only loopback is listened on", async () => {
  await expect(startLambda({ registry, host: "0.0.0.0" })).rejects.toThrow("loopback");
});

it.each([
  ["echo", "echo"],
  [`${ARN}echo:live`, "echo"],
  ["echo:12", "echo"],
  ["arn:aws:sqs:eu-central-1:000000000000:queue", undefined],
  ["a b", undefined],
])("%s names the function %s", (text, name) => {
  expect(functionNameOf(text)).toBe(name);
});

it("in process, an abandoned call rejects and leaves no timer", async () => {
  const controller = new AbortController();
  const call = registry.invoke("hang", {}, controller.signal);
  const before = clock.pending;
  controller.abort();
  await expect(call).rejects.toMatchObject({ name: "AbortError" });
  expect(clock.pending).toBe(before - 1);
});
