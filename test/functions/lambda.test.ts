import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { requestHeaders } from "../../core/protocol/signed-request.ts";
import { handler as agentEvents } from "../../functions/agent-events/index.ts";
import { handler as api } from "../../functions/api/index.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { addHost } from "./testing/fleet.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});

afterAll(() => cloud.close());

/** An HTTP API's event, payload format 2.0. */
function httpEvent(
  method: string,
  path: string,
  authorization: string,
  body?: object,
  { headers = {}, authorizer }: { headers?: Record<string, string>; authorizer?: object } = {},
) {
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: "",
    headers: { authorization, "content-type": "application/json", host: "api.example", ...headers },
    requestContext: {
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
      domainName: "api.example",
      stage: "$default",
      ...(authorizer === undefined ? {} : { authorizer }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    isBase64Encoded: false,
  } as never;
}

describe("behind API Gateway", () => {
  it("the API answers operators", async () => {
    const event = httpEvent("POST", "/v1/hosts", `Bearer ${OPERATOR_TOKEN}`, { id: "host-a" });
    expect(await api(event)).toMatchObject({ statusCode: 201 });
  });

  it("without an operator token, the API answers whom the JWT authorizer has let through", async () => {
    vi.resetModules();
    vi.stubEnv("OPERATOR_TOKEN_SHA256", undefined);
    const { handler } = await import("../../functions/api/index.ts");
    const list = (more?: { headers?: Record<string, string>; authorizer?: object }) =>
      handler(httpEvent("GET", "/v1/hosts", `Bearer ${OPERATOR_TOKEN}`, undefined, more));
    expect(await list()).toMatchObject({ statusCode: 401 });
    const forged = { "x-amzn-request-context": '{"authorizer":{"jwt":{"claims":{"sub":"a"}}}}' };
    expect(await list({ headers: forged })).toMatchObject({ statusCode: 401 });
    expect(await list({ authorizer: { iam: { userId: "a" } } })).toMatchObject({ statusCode: 401 });
    const authorizer = {
      jwt: { claims: { sub: "alice", scope: "switchyard/read" }, scopes: null },
    };
    expect(await list({ authorizer })).toMatchObject({ statusCode: 200 });
    vi.unstubAllEnvs();
  });

  it("agent-events takes the host's signature from its own headers, beside AWS's", async () => {
    const { host, key } = await addHost("host-signed");
    const body = { version: 1, host, events: [] };
    const post = (headers: Record<string, string>) =>
      agentEvents(httpEvent("POST", "/agent/v1/events", "AWS4-HMAC-SHA256 …", body, { headers }));
    const headers = () => key.headers(host, "/agent/v1/events", JSON.stringify(body));
    expect(await post(headers())).toMatchObject({ statusCode: 200 });
    const { [requestHeaders.signature]: _, ...unsigned } = headers();
    expect(await post(unsigned)).toMatchObject({ statusCode: 401 });
    expect(await post({})).toMatchObject({ statusCode: 401 });
  });

  it("agent-events answers agents", async () => {
    const event = httpEvent("POST", "/agent/v1/events", "Bearer wrong", {
      version: 1,
      host: "host-a",
      events: [{ seq: 1, atMs: 1, body: { type: "guest.exited", vm: "vm-1", detail: "" } }],
    });
    expect(await agentEvents(event)).toMatchObject({ statusCode: 401 });
  });

  it.each([
    { kind: "signal", do: "settle", migrationId: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX", wait: "acked" },
    { kind: "signal", do: "raise", migrationId: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX", signal: "x" },
  ])("a request for a migration that does not exist changes nothing: $do", async (request) => {
    const before = await cloud.scan();
    expect(await agentEvents(request)).toEqual({});
    expect(await cloud.scan()).toEqual(before);
  });

  it.each([{}, { kind: "signal" }, { kind: "signal", do: "settle", migrationId: "1" }, null])(
    "agent-events refuses the request %j",
    async (request) => {
      await expect(agentEvents(request)).rejects.toThrow();
    },
  );
});
