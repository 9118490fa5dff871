import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { QmpClient } from "./client.ts";
import type { QmpConnectOptions } from "./client-options.ts";
import { QmpDisconnectedError, QmpTimeoutError } from "./error.ts";
import { isQmpEvent, type QmpEvent } from "./events.ts";
import { FakeQmpServer } from "./testing/fake-server.ts";

/** Only a failure takes this long: a busy machine is slow. */
const WAIT_MS = 15_000;

const status = { running: true, status: "running" };

let fake: FakeQmpServer;
let client: QmpClient | undefined;

beforeEach(async () => {
  fake = await FakeQmpServer.start({ commands: { "query-status": () => status } });
});
afterEach(async () => {
  await client?.close();
  await fake.close();
});

async function connect(options: QmpConnectOptions = {}): Promise<QmpClient> {
  client = await QmpClient.connect(fake.address, options);
  return client;
}

describe("on", () => {
  it("receives events in order, with QEMU's timestamp, until unsubscribed", async () => {
    const qmp = await connect();
    const all: QmpEvent[] = [];
    const statuses: string[] = [];
    qmp.on("*", (event) => void all.push(event));
    const unsubscribe = qmp.on("MIGRATION", (event) => void statuses.push(event.data.status));
    await fake.emit("MIGRATION", { status: "setup" }, 1_000.25);
    await fake.emit("NOT_YET_INVENTED", { x: 1 }, 2_000);
    await qmp.execute("query-status");
    unsubscribe();
    unsubscribe();
    await fake.emit("MIGRATION", { status: "active" }, 3_000);
    await qmp.execute("query-status");
    expect(statuses).toEqual(["setup"]);
    expect(all).toEqual([
      { name: "MIGRATION", data: { status: "setup" }, timestampMs: 1_000.25, count: 1 },
      { name: "NOT_YET_INVENTED", data: { x: 1 }, timestampMs: 2_000, count: 1 },
      { name: "MIGRATION", data: { status: "active" }, timestampMs: 3_000, count: 1 },
    ]);
    expect(qmp.counters).toMatchObject({ eventsReceived: 3, eventsDelivered: 3 });
  });

  it("goes on past listeners that throw or reject", async () => {
    const errors: string[] = [];
    const onListenerError = (error: unknown, event: QmpEvent) =>
      void errors.push(`${event.name} ${error}`);
    const qmp = await connect({ onListenerError });
    const names: string[] = [];
    qmp.on("STOP", () => {
      throw new Error("thrown");
    });
    qmp.on("STOP", () => Promise.reject(new Error("rejected")));
    qmp.on("STOP", (event) => void names.push(event.name));
    await fake.emit("STOP");
    expect(await qmp.execute("query-status")).toEqual(status);
    expect(names).toEqual(["STOP"]);
    expect(errors).toEqual(["STOP Error: thrown", "STOP Error: rejected"]);
    expect(qmp.counters.listenerErrors).toBe(2);
  });

  it("listeners may be added and removed while an event is delivered", async () => {
    const qmp = await connect();
    const names: string[] = [];
    qmp.on("STOP", () => {
      unsubscribeSecond();
      qmp.on("STOP", () => void names.push("third"));
    });
    const unsubscribeSecond = qmp.on("STOP", () => void names.push("second"));
    await fake.emit("STOP");
    await qmp.execute("query-status");
    expect(names).toEqual([]);
    await fake.emit("STOP");
    await qmp.execute("query-status");
    expect(names).toEqual(["third"]);
  });

  it("a listener may run commands and close", async () => {
    const qmp = await connect();
    const answered = new Promise((resolve) => {
      qmp.on("STOP", async () => {
        resolve(await qmp.execute("query-status"));
        await qmp.close();
      });
    });
    await fake.emit("STOP");
    expect(await answered).toEqual(status);
    expect(await qmp.closed).toBeUndefined();
  });

  it.each([false, true])(
    "receives what QEMU wrote last, though a command was written after its end (TCP: %s)",
    async (tcp) => {
      const ending = await FakeQmpServer.start({ tcp });
      try {
        client = await QmpClient.connect(ending.address);
        const names: string[] = [];
        client.on("*", ({ name }) => void names.push(name));
        // Nothing is read between these three: no turn of the event loop ends.
        await ending.emit("SHUTDOWN", { guest: true, reason: "guest-shutdown" });
        ending.cut();
        const call = client.execute("query-status");
        await expect(call).rejects.toMatchObject({ name: "QmpDisconnectedError", sent: true });
        expect(names).toEqual(["SHUTDOWN"]);
        expect(await client.closed).toBeInstanceOf(QmpDisconnectedError);
      } finally {
        await ending.close();
      }
    },
  );

  it("receives nothing after close, not even what was received in one packet", async () => {
    const names: string[] = [];
    const qmp = await connect({
      onEvent: (received) => {
        names.push(received.name);
        void client?.close();
      },
    });
    await fake.send(Buffer.concat([event("STOP"), event("RESUME"), Buffer.from("garbage\n")]));
    expect(await qmp.closed).toBeUndefined();
    expect(names).toEqual(["STOP"]);
    expect(qmp.counters.eventsReceived).toBe(1);
  });
});

describe("waitFor", () => {
  it("resolves with the first event that satisfies the predicate", async () => {
    const qmp = await connect();
    const done = qmp.waitFor(
      (received) => isQmpEvent(received, "MIGRATION") && received.data.status === "completed",
      { timeoutMs: 10_000 },
    );
    for (const value of ["active", "device", "completed"]) {
      void fake.emit("MIGRATION", { status: value });
    }
    expect((await done).data).toEqual({ status: "completed" });
  });

  it("rejects at the deadline, on the signal, and with what the predicate throws", async () => {
    const qmp = await connect();
    await expect(qmp.waitFor(() => true, { timeoutMs: 10 })).rejects.toThrow(QmpTimeoutError);
    const controller = new AbortController();
    const aborted = qmp.waitFor(() => true, { timeoutMs: 10_000, signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(
      qmp.waitFor(() => true, { timeoutMs: 10_000, signal: controller.signal }),
    ).rejects.toThrow("enough");
    const throws = qmp.waitFor(
      () => {
        throw new Error("bad predicate");
      },
      { timeoutMs: 10_000 },
    );
    await Promise.all([expect(throws).rejects.toThrow("bad predicate"), fake.emit("STOP")]);
  });
});

describe("a flood of MIGRATION_PASS", () => {
  it("costs few deliveries, loses no count, and commands are answered in between", async () => {
    const qmp = await connect({ passIntervalMs: 50 });
    const passes: { pass: number; count: number }[] = [];
    qmp.on("MIGRATION_PASS", ({ data, count }) => void passes.push({ pass: data.pass, count }));
    const parse = vi.spyOn(JSON, "parse");
    const startedAtMs = performance.now();
    const flood = fake.floodPass(200_000);
    let answeredDuringFlood = 0;
    let isFlooding = true;
    void flood.finally(() => {
      isFlooding = false;
    });
    while (isFlooding) {
      await qmp.execute("query-status");
      if (isFlooding) answeredDuringFlood += 1;
    }
    await fake.emit("STOP");
    await vi.waitFor(() => expect(qmp.counters.eventsReceived).toBe(200_001), WAIT_MS);
    const elapsedMs = performance.now() - startedAtMs;
    const parsed = parse.mock.calls.length;
    parse.mockRestore();

    expect(answeredDuringFlood).toBeGreaterThan(5);
    // Request and answer of each command (the fake runs in this process), and what was delivered.
    expect(parsed).toBeLessThanOrEqual(2 * (answeredDuringFlood + 1) + passes.length + 1);
    expect(passes.reduce((sum, { count }) => sum + count, 0)).toBe(200_000);
    expect(passes.at(-1)?.pass).toBe(200_000);
    expect(passes.length).toBeLessThanOrEqual(elapsedMs / 50 + 3);
    expect(qmp.counters.floodRests).toBeGreaterThan(0);
    expect(qmp.counters).toMatchObject({
      passEventsReceived: 200_000,
      passEventsCoalesced: 200_000 - passes.length,
    });
  });

  it("keeps its place before the event that follows", async () => {
    const names: string[] = [];
    const qmp = await connect({
      passIntervalMs: 60_000,
      onEvent: ({ name, data, count }) => void names.push(`${name} ${data.pass ?? ""} ${count}`),
    });
    await fake.floodPass(10);
    await fake.emit("STOP");
    await fake.floodPass(3, 11);
    await fake.emit("RESUME");
    await qmp.execute("query-status");
    expect(names).toEqual([
      "MIGRATION_PASS 1 1",
      "MIGRATION_PASS 10 9",
      "STOP  1",
      "MIGRATION_PASS 13 3",
      "RESUME  1",
    ]);
    expect(qmp.counters.floodRests).toBe(0);
  });

  it("is coalesced also when QEMU spells the line in another way", async () => {
    const counts: number[] = [];
    const qmp = await connect({
      passIntervalMs: 60_000,
      onEvent: (e) => void counts.push(e.count),
    });
    const line = `{"event":"MIGRATION_PASS","data":{"pass":1},"timestamp":{"seconds":1,"microseconds":0}}\n`;
    await fake.send(line.repeat(100));
    await fake.emit("STOP");
    await qmp.execute("query-status");
    expect(counts).toEqual([1, 99, 1]);
  });

  it("delivers what waits before the session ends", async () => {
    const passes: unknown[] = [];
    const qmp = await connect({ passIntervalMs: 60_000 });
    qmp.on("MIGRATION_PASS", (received) => void passes.push(received.data.pass));
    await fake.floodPass(10);
    await vi.waitFor(() => expect(qmp.counters.passEventsReceived).toBe(10), WAIT_MS);
    fake.cut();
    await qmp.closed;
    expect(passes).toEqual([1, 10]);
  });
});

function event(name: string): Buffer {
  const timestamp = { seconds: 1, microseconds: 0 };
  return Buffer.from(`${JSON.stringify({ event: name, timestamp })}\n`);
}
