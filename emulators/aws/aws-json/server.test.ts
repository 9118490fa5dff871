import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonRequest } from "./answer.ts";
import { AwsError } from "./aws-error.ts";
import { type JsonServer, startJsonServer } from "./server.ts";

const BODY_BYTES_MAX = 1_000;
const errors: unknown[] = [];
let server: JsonServer;
let handle: (request: JsonRequest) => Promise<object> | object;

beforeEach(async () => {
  errors.length = 0;
  handle = ({ operation, input }) => ({ operation, input });
  server = await startJsonServer({
    target: "Service_1",
    signingName: "service",
    bodyBytesMax: BODY_BYTES_MAX,
    handle: (request) => handle(request),
    logger: { debug() {}, error: (...args: unknown[]) => errors.push(args) },
  });
});

afterEach(async () => {
  await server.close();
});

const headers = {
  "content-type": "application/x-amz-json-1.0",
  "x-amz-target": "Service_1.DoIt",
};

/** `fetch` would not let a test choose the host name. */
function send(body: string, changed: Record<string, string> = {}, method = "POST") {
  return new Promise<{ status: number | undefined; body: Record<string, unknown> }>(
    (resolve, reject) => {
      const sent = request(server.endpoint, { method, headers: { ...headers, ...changed } });
      sent.once("error", reject);
      sent.once("response", async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode, body: JSON.parse(text) });
      });
      sent.end(body);
    },
  );
}

test("an operation gets its input, and its output is the answer", async () => {
  const answer = await send('{"a":1}');
  expect(answer).toEqual({ status: 200, body: { operation: "DoIt", input: { a: 1 } } });
});

test("a deliberate error is answered with its name, message and members", async () => {
  handle = () => {
    throw new AwsError({ type: "service#Busy", message: "Try later", members: { Why: "x" } });
  };
  const body = { __type: "service#Busy", message: "Try later", Why: "x" };
  expect(await send("{}")).toEqual({ status: 400, body });
});

test("a fault is logged and answered without its details", async () => {
  handle = () => Promise.reject(new Error("secret"));
  const answer = await send("{}");
  expect(answer.status).toBe(500);
  expect(JSON.stringify(answer.body)).not.toContain("secret");
  expect(errors).toHaveLength(1);
});

describe("refusals", () => {
  test.each<[string, string, Record<string, string>, number, string]>([
    ["a host name that is not loopback", "{}", { host: "example.com" }, 403, "AccessDenied"],
    [
      "a request that a web page can send",
      "{}",
      { "content-type": "text/plain" },
      400,
      "UnknownOperation",
    ],
    ["another service", "{}", { "x-amz-target": "Other_1.DoIt" }, 400, "UnknownOperation"],
    ["a body that is not JSON", "{", {}, 400, "Serialization"],
    ["JSON that is not an object", "[]", {}, 400, "Serialization"],
    [
      "a body that is too long",
      JSON.stringify("x".repeat(1_000)),
      {},
      413,
      "RequestEntityTooLarge",
    ],
  ])("%s", async (_, body, changed, status, name) => {
    const answer = await send(body, changed);
    expect(answer.status).toBe(status);
    expect(answer.body.__type).toContain(name);
  });

  test("a GET", async () => {
    expect((await send("", {}, "GET")).status).toBe(400);
  });

  test.each(["0.0.0.0", "::", "192.0.2.1", "example.com"])("listening on %s", async (host) => {
    const options = {
      target: "Service_1",
      signingName: "service",
      host,
      bodyBytesMax: BODY_BYTES_MAX,
      handle: () => ({}),
    };
    await expect(startJsonServer(options)).rejects.toThrow("loopback");
  });
});

describe("the in-process transport", () => {
  const call = async (body: string | Uint8Array, changed: Record<string, string> = {}) => {
    const sent = { ...headers, host: "127.0.0.1:1", ...changed };
    const { response } = await server.transport.handle({ method: "POST", headers: sent, body });
    const text = Buffer.from(response.body).toString("utf8");
    return { status: response.statusCode, body: JSON.parse(text) };
  };

  test.each([["text", '{"a":1}'] as const, ["bytes", Buffer.from('{"a":1}')] as const])(
    "answers %s as a connection does",
    async (_, body) => {
      expect(await call(body)).toEqual(await send('{"a":1}'));
    },
  );

  test("refuses what a connection refuses", async () => {
    const long = JSON.stringify({ x: "\u20ac".repeat(400) });
    expect(await call(long)).toEqual(await send(long));
    expect((await call("[]")).body).toEqual((await send("[]")).body);
    expect((await call("{}", { host: "example.com" })).status).toBe(403);
  });

  test("lets work go first that the operation started, if the service asks for it", async () => {
    let worked = false;
    const other = await startJsonServer({
      target: "Service_1",
      signingName: "service",
      bodyBytesMax: BODY_BYTES_MAX,
      yieldsToWork: true,
      handle: () => {
        setImmediate(() => {
          worked = true;
        });
        return {};
      },
    });
    const sent = { method: "POST", headers: { ...headers, host: "127.0.0.1:1" }, body: "{}" };
    await other.transport.handle(sent);
    expect(worked).toBe(true);
    await other.close();
  });

  test("accepts nothing once the server closes", async () => {
    await server.close();
    await expect(call("{}")).rejects.toThrow("closed");
  });
});

describe("close", () => {
  test("aborts a waiting handler, and still sends its answer", async () => {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    handle = ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ gaveUp: true }), { once: true });
        reach();
      });
    const answer = send("{}");
    await reached;
    await server.close();
    expect((await answer).body).toEqual({ gaveUp: true });
  });

  test("refuses connections afterwards, and can be repeated", async () => {
    await server.close();
    await server.close();
    await expect(send("{}")).rejects.toThrow("ECONNREFUSED");
  });
});
