import { expect, it, onTestFinished } from "vitest";
import { QmpClient } from "./client.ts";
import type { QmpConnectOptions, QmpState } from "./client-options.ts";
import { FakeQmpServer, type FakeServerOptions } from "./testing/fake-server.ts";

const commands = { "query-status": () => ({ running: true, status: "running" }) };

async function start(options: FakeServerOptions = {}) {
  const fake = await FakeQmpServer.start({ commands, ...options });
  onTestFinished(() => fake.close());
  const states: QmpState[] = [];
  const connect = (more: QmpConnectOptions = {}) =>
    QmpClient.connect(fake.address, { ...more, onState: (state) => void states.push(state) });
  return { fake, states, connect };
}

type Step = (client: QmpClient, fake: FakeQmpServer) => unknown;

it.each<[string, Step]>([
  ["close()", (client) => client.close()],
  ["close() twice at once", (client) => Promise.all([client.close(), client.close()])],
  ["close() while a call waits", callAndClose],
  ["the end of the connection", (_, fake) => fake.cut()],
  ["text that is not QMP", (_, fake) => fake.send("oops\n")],
  ["text that is not QMP, then close()", sendTextAndClose],
])("a session ended by %s passes each state once", async (_, end) => {
  const { fake, states, connect } = await start();
  const client = await connect();
  expect(states).toEqual(["connecting", "running"]);
  await end(client, fake);
  await client.closed;
  expect(states).toEqual(["connecting", "running", "closing", "closed"]);
  await client.close();
  expect(states).toHaveLength(4);
});

it.each<[string, FakeServerOptions, QmpConnectOptions]>([
  ["greeted with other text", { greeting: "SSH-2.0" }, {}],
  ["not greeted in time", { greeting: null }, { connectTimeoutMs: 50 }],
  ["refused out-of-band execution", { greeting: greetingWithOob(), capabilities: [] }, {}],
])("a session that is %s is never running", async (_, server, options) => {
  const { states, connect } = await start(server);
  await expect(connect(options)).rejects.toThrow();
  expect(states).toEqual(["connecting", "closing", "closed"]);
});

it("a session that is aborted before the greeting is never running", async () => {
  const { states, connect } = await start({ greeting: null });
  const controller = new AbortController();
  const connecting = connect({ signal: controller.signal });
  controller.abort(new Error("not needed"));
  await expect(connecting).rejects.toThrow("not needed");
  // Without a socket there is no session that could have states.
  expect(states.filter((state) => state === "running")).toEqual([]);
});

it("calls are refused in every state but running, and none of them is sent", async () => {
  const { fake, connect } = await start();
  const client = await connect();
  const closing = client.close();
  expect(client.state).toBe("closing");
  await expect(client.execute("query-status")).rejects.toMatchObject({ sent: false });
  await closing;
  expect(client.state).toBe("closed");
  await expect(client.execute("query-status")).rejects.toMatchObject({ sent: false });
  expect(fake.requests.map(({ command }) => command)).toEqual(["qmp_capabilities"]);
});

async function callAndClose(client: QmpClient, fake: FakeQmpServer): Promise<void> {
  fake.stall("in-band");
  const call = expect(client.execute("query-status")).rejects.toThrow("session ended");
  await client.close();
  await call;
}

async function sendTextAndClose(client: QmpClient, fake: FakeQmpServer): Promise<void> {
  await fake.send("oops\n");
  await client.close();
}

function greetingWithOob(): string {
  const version = { qemu: { major: 10, minor: 0, micro: 2 }, package: "" };
  return JSON.stringify({ QMP: { version, capabilities: ["oob"] } });
}
