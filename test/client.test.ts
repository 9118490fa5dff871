import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { ApiError } from "../client/api-error.ts";
import { type Client, createClient } from "../client/client.ts";

type Seen = { line: string; headers: Record<string, unknown>; body: string };

let server: Server;
let api: Client;
let next: { status: number; body: string };
let seen: Seen;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    seen = { line: `${request.method} ${request.url}`, headers: request.headers, body };
    response.writeHead(next.status).end(next.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  api = createClient({ url: `http://127.0.0.1:${port}`, token: "secret" });
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

describe("the client", () => {
  it("sends the token, the key and the body, and parses the answer", async () => {
    next = { status: 202, body: '{"id":"mig_1"}' };
    const made = await api.createMigration({ vm: "web1", target: "host-b" }, "key-1");
    expect(made.id).toBe("mig_1");
    expect(seen).toMatchObject({
      line: "POST /v1/migrations?dryRun=false",
      headers: {
        authorization: "Bearer secret",
        "content-type": "application/json",
        "idempotency-key": "key-1",
      },
      body: '{"vm":"web1","target":"host-b"}',
    });
  });

  it("puts ids into paths, and queries behind them", async () => {
    next = { status: 200, body: '{"items":[]}' };
    await api.listSamples("mig_1", { limit: 2 });
    expect(seen.line).toBe("GET /v1/migrations/mig_1/samples?limit=2");
  });

  it("asks for the fleet by the etag that it knows, and returns nothing for an unchanged one", async () => {
    next = { status: 200, body: '{"hosts":[]}' };
    expect(await api.getFleetIfChanged(undefined)).toMatchObject({ fleet: { hosts: [] } });
    next = { status: 304, body: "" };
    expect(await api.getFleetIfChanged('W/"1"')).toBeUndefined();
    expect(seen.headers["if-none-match"]).toBe('W/"1"');
  });

  it("returns nothing for a VM whose record was removed", async () => {
    next = { status: 204, body: "" };
    expect(await api.deleteVm("web1")).toBeUndefined();
  });

  it("throws the problem of a refusal", async () => {
    const problem = { title: "Conflict", detail: "VM web1 is held", code: "vm-locked" };
    next = { status: 409, body: JSON.stringify(problem) };
    const error = await api.getVm("web1").catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 409, problem, message: "409 Conflict: VM web1 is held" });
  });

  it("throws the text of an answer that is no problem", async () => {
    next = { status: 502, body: "<h1>Bad gateway</h1>" };
    await expect(api.getVm("web1")).rejects.toMatchObject({
      status: 502,
      problem: { detail: "<h1>Bad gateway</h1>" },
    });
  });

  it("asks again after the time that the API names when it asks too often", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const times: number[] = [];
    const answers = [429, 429, 200];
    const patient = createClient({
      url: "http://plane",
      token: "secret",
      fetch: async () => {
        times.push(Date.now());
        const status = answers.shift() ?? 200;
        const headers = status === 429 ? { "retry-after": "3" } : {};
        return new Response('{"items":[]}', { status, headers });
      },
    });
    const listed = patient.listHosts();
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await listed).items).toEqual([]);
    expect(times.map((at) => at - (times[0] ?? 0))).toEqual([0, 3_000, 6_000]);
  });

  it("asks no more often than five times", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let asked = 0;
    const impatient = createClient({
      url: "http://plane",
      token: "secret",
      fetch: async () => {
        asked += 1;
        return new Response("{}", { status: 429 });
      },
    });
    const listed = impatient.listHosts().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await listed).toMatchObject({ status: 429 });
    expect(asked).toBe(5);
  });
});
