import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { QmpClient } from "./client.ts";
import type { QmpConnectOptions } from "./client-options.ts";
import { QmpBusyError, QmpCommandError, QmpProtocolError, QmpTimeoutError } from "./error.ts";
import { FakeQmpError } from "./testing/fake-error.ts";
import { FakeQmpServer } from "./testing/fake-server.ts";
import type { FakeRequest } from "./testing/fake-session.ts";

const status = { running: true, status: "running" };
const migrationYank = { instances: [{ type: "migration" }] } as const;

let fake: FakeQmpServer;
let client: QmpClient | undefined;

beforeEach(async () => {
  fake = await FakeQmpServer.start({
    commands: {
      "query-status": () => status,
      "query-uuid": () => ({ UUID: 7 }),
      "qom-get": (request) => request.arguments.property,
      "query-migrate-parameters": () => ({ "max-bandwidth": 2n ** 64n - 1n }),
      "migrate-set-parameters": () => undefined,
      "query-target": () => {
        const busyUntilMs = performance.now() + 80;
        while (performance.now() < busyUntilMs);
        return { arch: "x86_64" };
      },
      stop: () => undefined,
      yank: () => undefined,
      cont: () => {
        throw new FakeQmpError("Migration is not finalized yet");
      },
    },
  });
});
afterEach(async () => {
  await client?.close();
  await fake.close();
});

async function connect(options: QmpConnectOptions = {}): Promise<QmpClient> {
  client = await QmpClient.connect(fake.address, options);
  fake.requests.length = 0;
  return client;
}

const names = (requests: readonly FakeRequest[]) => requests.map((request) => request.command);

describe("execute", () => {
  it("matches answers to calls, in order of the calls", async () => {
    const qmp = await connect();
    const properties = Array.from({ length: 50 }, (_, index) => `p${index}`);
    const calls = properties.map((property) => qmp.execute("qom-get", { path: "/", property }));
    expect(await Promise.all(calls)).toEqual(properties);
    expect(fake.requests.map((request) => request.arguments.property)).toEqual(properties);
    expect(new Set(fake.requests.map((request) => request.id)).size).toBe(50);
  });

  it("throws QEMU's error with class and text", async () => {
    const qmp = await connect();
    const error = await qmp.execute("cont").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(QmpCommandError);
    expect(error).toMatchObject({
      command: "cont",
      class: "GenericError",
      desc: "Migration is not finalized yet",
    });
    await expect(qmp.execute("quit")).rejects.toMatchObject({ class: "CommandNotFound" });
    expect(fake.unknownCommands).toEqual(["quit"]);
  });

  it("reports the arguments of a refused command without secrets", async () => {
    const qmp = await connect();
    const refused = qmp.execute("object-add", { "qom-type": "secret", id: "s0", data: "hunter2" });
    await expect(refused).rejects.toMatchObject({
      arguments: { "qom-type": "secret", id: "s0", data: "[redacted]" },
    });
  });

  it("refuses an answer of the wrong shape and goes on", async () => {
    const qmp = await connect();
    await expect(qmp.execute("query-uuid")).rejects.toThrow(QmpProtocolError);
    expect(await qmp.executeAny("query-uuid")).toEqual({ UUID: 7 });
    expect(await qmp.execute("query-status")).toEqual(status);
  });

  it("carries 64 bit integers both ways", async () => {
    const qmp = await connect();
    const parameters = await qmp.execute("query-migrate-parameters");
    const bandwidth = parameters["max-bandwidth"];
    expect(bandwidth).toBe(2n ** 64n - 1n);
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": 2n ** 53n });
    expect(fake.requests[1]?.arguments).toEqual({ "max-bandwidth": 2 ** 53 });
  });

  it("keeps no call when arguments cannot be encoded", async () => {
    const qmp = await connect();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(qmp.executeAny("stop", circular)).rejects.toThrow(TypeError);
    expect(await qmp.execute("query-status")).toEqual(status);
    expect(names(fake.requests)).toEqual(["query-status"]);
  });

  it("waits while the socket is full", async () => {
    const qmp = await connect();
    fake.stall("all");
    const big = "x".repeat(3_000_000);
    const calls = [big, "b", "c"].map((property) =>
      qmp.execute("qom-get", { path: "/", property }),
    );
    expect(qmp.counters.commandsSent).toBe(2); // qmp_capabilities and the big one
    fake.resume();
    expect(await Promise.all(calls)).toEqual([big, "b", "c"]);
  });
});

describe("deadlines", () => {
  it("rejects at the deadline, drops the late answer, and the session stays usable", async () => {
    const qmp = await connect();
    fake.stall("in-band");
    const error = await qmp.execute("stop", {}, { timeoutMs: 30 }).catch((caught) => caught);
    expect(error).toBeInstanceOf(QmpTimeoutError);
    expect(error).toMatchObject({ command: "stop", deadlineMs: 30, sent: true });
    fake.resume();
    expect(await qmp.execute("query-status")).toEqual(status);
    expect(qmp.counters).toMatchObject({ lateRepliesDropped: 1, timeouts: 1 });
  });

  it("takes the default from connect", async () => {
    const qmp = await connect({ defaultTimeoutMs: 20 });
    fake.stall("in-band");
    await expect(qmp.execute("stop")).rejects.toMatchObject({ deadlineMs: 20 });
  });

  it("never sends a call that timed out while waiting for its turn", async () => {
    const qmp = await connect({ inFlightMax: 2 });
    fake.stall("in-band");
    const calls = Array.from({ length: 5 }, () => qmp.execute("stop", {}, { timeoutMs: 30 }));
    const results = await Promise.allSettled(calls);
    const sent = results.map((result) => result.status === "rejected" && result.reason.sent);
    expect(sent).toEqual([true, true, false, false, false]);
    fake.resume();
    await qmp.execute("query-status");
    expect(names(fake.requests)).toEqual(["stop", "stop", "query-status"]);
  });

  it("an answer that was in the socket while this process was busy is in time", async () => {
    const qmp = await connect();
    expect(await qmp.execute("query-target", {}, { timeoutMs: 50 })).toEqual({ arch: "x86_64" });
  });
});

describe("signals", () => {
  it("rejects with the signal's reason; the late answer is dropped", async () => {
    const qmp = await connect();
    fake.stall("in-band");
    const controller = new AbortController();
    const call = qmp.execute("stop", {}, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    fake.resume();
    await qmp.execute("query-status");
    expect(qmp.counters).toMatchObject({ lateRepliesDropped: 1, timeouts: 0 });
  });

  it("sends nothing for a signal that is aborted already", async () => {
    const qmp = await connect();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(qmp.execute("stop", {}, { signal })).rejects.toThrow("enough");
    await qmp.execute("query-status");
    expect(names(fake.requests)).toEqual(["query-status"]);
  });
});

describe("out-of-band", () => {
  it("is answered while the main loop hangs and many calls wait", async () => {
    const qmp = await connect();
    fake.stall("in-band");
    const waiting = Array.from({ length: 30 }, () => qmp.execute("query-status"));
    await qmp.execute("yank", migrationYank);
    expect(names(fake.requests)).toEqual([...Array(7).fill("query-status"), "yank"]);
    expect(fake.requests.at(-1)).toMatchObject({ oob: true, arguments: migrationYank });
    fake.resume();
    expect(await Promise.all(waiting)).toHaveLength(30);
  });

  it("is answered also after calls have timed out in QEMU's queue", async () => {
    const qmp = await connect();
    fake.stall("in-band");
    const calls = Array.from({ length: 20 }, () => qmp.execute("stop", {}, { timeoutMs: 20 }));
    await Promise.allSettled(calls);
    await expect(qmp.execute("stop", {}, { timeoutMs: 20 })).rejects.toMatchObject({ sent: false });
    await qmp.execute("yank", migrationYank);
    expect(names(fake.requests)).toEqual([...Array(7).fill("stop"), "yank"]);
  });

  it("is not used unless negotiated, and refused if demanded", async () => {
    const qmp = await connect({ oob: false });
    await qmp.execute("yank", migrationYank);
    expect(fake.requests[0]?.oob).toBe(false);
    await expect(qmp.execute("yank", migrationYank, { oob: true })).rejects.toThrow(
      QmpProtocolError,
    );
  });

  it("is left out on request", async () => {
    const qmp = await connect();
    await qmp.execute("yank", migrationYank, { oob: false });
    expect(fake.requests[0]?.oob).toBe(false);
  });
});

it("refuses more waiting calls than allowed", async () => {
  const qmp = await connect({ inFlightMax: 1, waitingMax: 2 });
  fake.stall("in-band");
  const calls = Array.from({ length: 3 }, () => qmp.execute("stop"));
  await expect(qmp.execute("stop")).rejects.toThrow(QmpBusyError);
  await qmp.execute("yank", migrationYank);
  fake.resume();
  await Promise.all(calls);
});
