import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { QmpClient } from "./client.ts";
import {
  QmpConnectError,
  QmpDisconnectedError,
  QmpGreetedAgainError,
  QmpProtocolError,
} from "./error.ts";
import { FakeQmpServer, type FakeServerOptions } from "./testing/fake-server.ts";
import { createRandom, cutRandomly } from "./testing/random.ts";

/** Only a failure takes this long: a busy machine is slow. */
const WAIT_MS = 15_000;

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function startFake(options: FakeServerOptions = {}): Promise<FakeQmpServer> {
  const fake = await FakeQmpServer.start(options);
  cleanUps.push(() => fake.close());
  return fake;
}

async function connectTo(fake: Pick<FakeQmpServer, "address">, options = {}): Promise<QmpClient> {
  const client = await QmpClient.connect(fake.address, options);
  cleanUps.push(() => client.close());
  return client;
}

const status = { running: true, status: "running" };
const commands = { "query-status": () => status };
const qemu = { major: 10, minor: 0, micro: 2 };
const secondGreeting = `${JSON.stringify({ QMP: { version: { qemu, package: "" }, capabilities: [] } })}\n`;

describe("connect", () => {
  it("greets and negotiates out-of-band execution", async () => {
    const fake = await startFake();
    const client = await connectTo(fake);
    expect(client).toMatchObject({ state: "running", oobEnabled: true, address: fake.address });
    expect(client.version.qemu).toEqual({ major: 10, minor: 0, micro: 2 });
    expect(fake.requests.map((request) => request.arguments)).toEqual([{ enable: ["oob"] }]);
  });

  it.each([
    ["the server does not offer it", { capabilities: [] }, {}],
    ["the caller does not want it", {}, { oob: false }],
  ])("leaves out-of-band execution off when %s", async (_why, server, options) => {
    const fake = await startFake(server);
    const client = await connectTo(fake, options);
    expect(client.oobEnabled).toBe(false);
    expect(fake.requests[0]?.arguments).toEqual({});
  });

  it("speaks over TCP", async () => {
    const fake = await startFake({ tcp: true, commands });
    const client = await connectTo(fake);
    expect(await client.execute("query-status")).toEqual(status);
  });

  it("keeps trying until the socket appears", async () => {
    const closed = await FakeQmpServer.start({ tcp: true });
    const { address } = closed;
    await closed.close();
    if (!("port" in address)) throw new Error("unreachable");
    const connecting = QmpClient.connect(address);
    connecting.catch(() => undefined);
    await expect(QmpClient.connect(address, { retry: false })).rejects.toThrow(QmpConnectError);
    const server: Server = createServer((socket) => void socket.end("not QMP\n"));
    cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
    server.listen(address.port, address.host);
    await expect(connecting).rejects.toThrow(QmpProtocolError);
  });

  it("gives up at the deadline and reports the number of attempts", async () => {
    const error = await QmpClient.connect({ path: "/nowhere/qmp.sock" }, { connectTimeoutMs: 100 })
      .then(() => undefined)
      .catch((caught: QmpConnectError) => caught);
    expect(error).toBeInstanceOf(QmpConnectError);
    expect(error?.attempts).toBeGreaterThan(1);
    expect(error?.cause).toMatchObject({ code: "ENOENT" });
  });

  it.each([
    [2, "replaces the session", undefined],
    [3, "gives up", QmpGreetedAgainError],
  ])("when QEMU greets %i clients again while they negotiate, %s", async (again, _what, error) => {
    let clients = 0;
    const server = createServer((socket) => {
      clients += 1;
      const reply = clients <= again ? secondGreeting : '{"return": {}, "id": 1}\n';
      socket.write(secondGreeting);
      socket.on("error", () => undefined);
      socket.once("data", (request) => {
        const { id } = JSON.parse(String(request)) as { id: unknown };
        socket.write(reply.replace('"id": 1', `"id": ${JSON.stringify(id)}`));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanUps.push(async () => server.close());
    const { port } = server.address() as AddressInfo;
    const connecting = connectTo({ address: { host: "127.0.0.1", port } });
    if (error === undefined) expect((await connecting).state).toBe("running");
    else await expect(connecting).rejects.toThrow(error);
    expect(clients).toBe(3);
  });

  it("gives up without a greeting: the monitor serves someone else", async () => {
    const fake = await startFake();
    await connectTo(fake);
    const second = QmpClient.connect(fake.address, { connectTimeoutMs: 100 });
    await expect(second).rejects.toThrow(/no greeting/);
  });

  it.each([
    ["text", "SSH-2.0-OpenSSH_9.2", QmpProtocolError],
    ["an answer before the greeting", '{"error": {"class": "X", "desc": "y"}}', QmpProtocolError],
    ["a greeting without version", '{"QMP": {}}', QmpProtocolError],
  ])("refuses a peer that sends %s", async (_what, greeting, error) => {
    const fake = await startFake({ greeting });
    await expect(QmpClient.connect(fake.address)).rejects.toThrow(error);
    await vi.waitFor(() => expect(fake.isConnected).toBe(false), WAIT_MS);
  });

  it("ends with the signal's reason while nothing listens", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const connecting = QmpClient.connect({ path: "/nowhere/qmp.sock" }, { signal });
    controller.abort(new Error("changed my mind"));
    await expect(connecting).rejects.toThrow("changed my mind");
  });

  it("ends with the signal's reason without a greeting", async () => {
    const fake = await startFake({ greeting: null });
    const controller = new AbortController();
    const connecting = QmpClient.connect(fake.address, { signal: controller.signal });
    connecting.catch(() => undefined);
    await vi.waitFor(() => expect(fake.isConnected).toBe(true), WAIT_MS);
    controller.abort(new Error("changed my mind"));
    await expect(connecting).rejects.toThrow("changed my mind");
    await vi.waitFor(() => expect(fake.isConnected).toBe(false), WAIT_MS);
  });

  it.each([0, 8, Number.NaN])("refuses inFlightMax %d", async (inFlightMax) => {
    const fake = await startFake();
    await expect(QmpClient.connect(fake.address, { inFlightMax })).rejects.toThrow(RangeError);
    await vi.waitFor(() => expect(fake.isConnected).toBe(false), WAIT_MS);
  });
});

describe("the byte stream", () => {
  it.each([1, 2, 3, 4])("is understood however it is cut (seed %i)", async (seed) => {
    const random = createRandom(seed);
    const name = `vm ü🐢 ${"x".repeat(random(500))}`;
    const fake = await startFake({
      commands: { "query-name": () => ({ name }) },
      chunk: (bytes) => cutRandomly(bytes, random, 1 + random(60)),
    });
    const client = await connectTo(fake);
    const received: unknown[] = [];
    client.on("MIGRATION", (event) => void received.push(event.data.status));
    const statuses = Array.from({ length: 20 }, (_, index) => `status-${index}`);
    const answers: Promise<unknown>[] = [];
    for (const value of statuses) {
      void fake.emit("MIGRATION", { status: value });
      answers.push(client.execute("query-name"));
    }
    expect(await Promise.all(answers)).toEqual(statuses.map(() => ({ name })));
    await vi.waitFor(() => expect(received).toEqual(statuses), WAIT_MS);
  });

  it.each([
    ["text that is not JSON", "oops\n"],
    ["an array", "[]\n"],
    ["a second greeting", secondGreeting],
    ["a malformed known event", '{"event": "MIGRATION", "timestamp": {"seconds": 1}}\n'],
    ["an error without id", '{"error": {"class": "GenericError", "desc": "parse error"}}\n'],
    ["a line beyond the limit", `"${"x".repeat(2_000)}`],
  ])("ends the session on %s", async (_what, bytes) => {
    const fake = await startFake({ commands });
    const client = await connectTo(fake, { lineBytesMax: 1_000 });
    fake.stall("in-band");
    const pending = client.execute("query-status");
    const settled = expect(pending).rejects.toMatchObject({
      name: "QmpDisconnectedError",
      sent: true,
      cause: expect.any(QmpProtocolError),
    });
    void fake.send(bytes);
    await settled;
    expect(await client.closed).toBeInstanceOf(QmpProtocolError);
    expect(client.state).toBe("closed");
  });

  it("drops answers with an unknown id, and empty lines", async () => {
    const fake = await startFake({ commands });
    const client = await connectTo(fake);
    await fake.send(
      '\r\n\n{"return": {}, "id": 999}\r\n{"return": {}, "id": "x"}\n{"return": 1}\n',
    );
    expect(await client.execute("query-status")).toEqual(status);
    expect(client.counters.unknownRepliesDropped).toBe(3);
  });
});

describe("the end of a session", () => {
  it("settles every call once when the connection ends, with the root cause", async () => {
    const fake = await startFake({ commands });
    const client = await connectTo(fake, { inFlightMax: 1 });
    fake.stall("in-band");
    const calls = [client.execute("query-status"), client.execute("query-status")];
    const waiting = client.waitFor(() => false, { timeoutMs: 60_000 });
    const all = Promise.allSettled([...calls, waiting]);
    await vi.waitFor(() => expect(fake.requests).toHaveLength(2), WAIT_MS);
    fake.cut();
    const reasons = (await all).map((result) => result.status === "rejected" && result.reason);
    const cause = await client.closed;
    expect(cause).toBeInstanceOf(QmpDisconnectedError);
    expect(reasons).toEqual([
      expect.objectContaining({ command: "query-status", sent: true, cause }),
      expect.objectContaining({ command: "query-status", sent: false, cause }),
      expect.objectContaining({ name: "QmpDisconnectedError", cause }),
    ]);
    await expect(client.execute("query-status")).rejects.toMatchObject({ sent: false, cause });
    await expect(client.waitFor(() => true, { timeoutMs: 1 })).rejects.toMatchObject({ cause });
  });

  it("reports that the connection ended in the middle of a message", async () => {
    const fake = await startFake();
    const client = await connectTo(fake);
    await fake.send('{"event": ');
    await vi.waitFor(() => expect(client.counters.bytesReceived).toBeGreaterThan(100), WAIT_MS);
    fake.cut();
    expect(String(await client.closed)).toMatch(/in the middle of a message/);
  });

  it("close is idempotent, has no cause, and rejects what is pending", async () => {
    const fake = await startFake({ commands });
    const client = await connectTo(fake);
    fake.stall("all");
    const pending = expect(client.execute("query-status")).rejects.toThrow(QmpDisconnectedError);
    const closing = client.close();
    expect(client.state).toBe("closing");
    await Promise.all([closing, client.close(), pending]);
    await client.close();
    expect(client.state).toBe("closed");
    expect(await client.closed).toBeUndefined();
  });

  it("hands over to the next client", async () => {
    const fake = await startFake({ commands });
    const first = await connectTo(fake);
    const second = connectTo(fake);
    await first.close();
    expect(await (await second).execute("query-status")).toEqual(status);
  });
});
