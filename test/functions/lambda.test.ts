import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handler as agentEvents } from "../../functions/agent-events/index.ts";
import { handler as api } from "../../functions/api/index.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "./testing/cloud.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});

afterAll(() => cloud.close());

/** An HTTP API's event, payload format 2.0. */
function httpEvent(method: string, path: string, authorization: string, body?: object) {
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: "",
    headers: { authorization, "content-type": "application/json", host: "api.example" },
    requestContext: {
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
      domainName: "api.example",
      stage: "$default",
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
