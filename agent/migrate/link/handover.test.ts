import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { MigrationId } from "../../../core/id.ts";
import { emptyParts, type Reading } from "../../../core/twin/reading.ts";
import { type Inspection, Witness } from "../../../core/twin/storage.ts";
import type { CopyAnswer, CopyQuestion } from "./copy-message.ts";
import { HandoverClient } from "./handover-client.ts";
import type { HandoverAnswer, InspectRequest } from "./handover-protocol.ts";
import { HandoverServer } from "./handover-server.ts";
import type { ReadKind } from "./reading.ts";

const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const otherId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW");
const key = "ab".repeat(32);
const address = "127.0.0.1";

let server: HandoverServer;
let calls: string[];
let answers: HandoverAnswer[];
let onHandedOver: (runState: string) => Promise<string>;
let onRead: (what: ReadKind) => Promise<Reading>;
let onInspect: (request: InspectRequest) => Promise<Inspection[]>;
let onCopy: (question: CopyQuestion) => Promise<CopyAnswer>;
const toClose: { close(): unknown }[] = [];

async function listen(port = 0): Promise<HandoverServer> {
  server = await HandoverServer.listen({
    address,
    port,
    key,
    migrationId,
    onHandedOver: ({ runState }) => {
      calls.push(runState);
      return onHandedOver(runState);
    },
    onRead: (what) => onRead(what),
    onInspect: (request) => onInspect(request),
    onCopy: (question) => onCopy(question),
  });
  toClose.push(server);
  return server;
}

async function open(change: { key?: string; port?: number; id?: MigrationId } = {}) {
  const to = { address, port: change.port ?? server.port, key: change.key ?? key };
  const onAnswer = (answer: HandoverAnswer) => void answers.push(answer);
  const options = { address: to, migrationId: change.id ?? migrationId, onAnswer };
  const client = await HandoverClient.connect(options, 2_000);
  toClose.push(client);
  return client;
}

/** A raw connection, which may break the protocol. */
async function speak(id = migrationId): Promise<TLSSocket> {
  const socket = connectTls({
    host: address,
    port: server.port,
    ciphers: "PSK-AES256-GCM-SHA384",
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.2",
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: Buffer.from(key, "hex"), identity: `switchyard-${id}` }),
  });
  socket.on("error", () => undefined);
  toClose.push({ close: () => socket.destroy() });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("close", () => reject(new Error("closed")));
  });
  return socket;
}

const cut = (socket: Socket) => vi.waitFor(() => expect(socket.closed).toBe(true), 5_000);
const hello = `{"type":"hello","migrationId":"${migrationId}"}\n`;
const completed = '{"type":"completed","runState":"running"}\n';
const asBefore = async (runState: string) => runState;
const reading = (qemu: string): Reading => {
  const parts = emptyParts();
  // More than a line of the source may have.
  for (let at = 0; at < 300; at += 1) parts.device[`pci/${at}`] = { type: `${at * at} ${qemu}` };
  return { qemu, parts };
};
const never = () => new Promise<string>(() => undefined);

beforeEach(async () => {
  calls = [];
  answers = [];
  onHandedOver = asBefore;
  onRead = async () => reading("10.0.2");
  onInspect = async () => [];
  onCopy = async () => ({ type: "exports-closed" as const });
  await listen();
});
afterEach(() => {
  for (const one of toClose.splice(0)) one.close();
});

describe("the handover link", () => {
  it.each(["running", "paused", "suspended"])("hands over a guest that is %s", async (runState) => {
    const client = await open();
    await vi.waitFor(() => expect([client.linkUp, server.linkUp]).toEqual([true, true]), 20_000);
    expect(await client.completed(runState, 5_000)).toBe(true);
    expect(calls).toEqual([runState]);
    expect(answers).toEqual([{ type: "arrived", runState }]);
  });

  it("does not count its own pause as the target's silence", async () => {
    const client = await open();
    client.startPings();
    const clock = performance.now.bind(performance);
    const now = vi.spyOn(performance, "now").mockImplementation(() => clock() + 60_000);
    onTestFinished(() => now.mockRestore());
    expect(client.silentMs).toBeLessThan(10_000);
  });

  it("reports failure when the target does not answer in time, or cannot run the guest", async () => {
    onHandedOver = () => Promise.reject(new Error("no"));
    // At once: a final refusal is not waited out.
    expect(await (await open()).completed("running", 60_000)).toBe(false);
    expect(answers).toEqual([{ type: "refused", message: "no", final: true }]);
    onHandedOver = never;
    expect(await (await open()).completed("running", 50)).toBe(false);
  });

  it("reports refusals after which the target tries again, and the arrival that comes late", async () => {
    const { promise: isRunning, resolve: run } = Promise.withResolvers<string>();
    onHandedOver = () => {
      server.refuse("x".repeat(5_000));
      return isRunning;
    };
    const client = await open();
    expect(await client.completed("running", 50)).toBe(false);
    run("running");
    await vi.waitFor(() => expect(answers).toHaveLength(2), 20_000);
    expect(answers).toEqual([
      { type: "refused", message: "x".repeat(500), final: false },
      { type: "arrived", runState: "running" },
    ]);
  });

  it.each([
    ["a wrong key", { key: "cd".repeat(32) }],
    ["another migration", { id: otherId }],
  ])("does not come up with %s", async (_, change) => {
    await expect(open(change)).rejects.toThrow("Failed to open the handover link");
    expect(server.linkUp).toBe(false);
  });

  it("does not come up to a peer that only listens", async () => {
    const mute = createServer((socket) => void socket.resume());
    await new Promise<void>((resolve) => mute.listen(0, address, resolve));
    const { port } = mute.address() as { port: number };
    const started = performance.now();
    await expect(
      HandoverClient.connect({ address: { address, port, key }, migrationId }, 100),
    ).rejects.toThrow("Failed to open");
    expect(performance.now() - started).toBeLessThan(5_000);
    await closeServer(mute);
  });

  it.each([
    ["completed before hello", completed],
    ["another migration's hello", `{"type":"hello","migrationId":"${otherId}"}\n${completed}`],
    ["what is no JSON", `${hello}garbage\n${completed}`],
    ["an unknown message", `${hello}{"type":"stop"}\n`],
    ["more than it knows", `${hello}{"type":"completed","runState":"running","x":1}\n`],
    ["the target's own message", `${hello}{"type":"arrived","runState":"running"}\n`],
    ["a line without end", `${hello}${"x".repeat(10_000)}`],
  ])("is cut by %s, and nothing is done", async (_, text) => {
    const socket = await speak();
    socket.write(text);
    await cut(socket);
    expect(calls).toEqual([]);
    await vi.waitFor(() => expect(server.linkUp).toBe(false), 20_000);
  });

  it("brings the target's readings to the source, each kind for itself", async () => {
    onRead = async (what) => reading(what);
    const client = await open();
    const [machine, features] = await Promise.all([
      client.read("machine", 5_000),
      client.read("features", 5_000),
    ]);
    expect(machine).toEqual(reading("machine"));
    expect(features).toEqual(reading("features"));
  });

  it("brings the reason when the target cannot be read", async () => {
    onRead = () => Promise.reject(new Error("QEMU is silent"));
    const client = await open();
    await expect(client.read("machine", 5_000)).rejects.toThrow("QEMU is silent");
  });

  it("brings what the target sees of its files, for each witness by itself", async () => {
    const witnesses = ["a", "b"].map((digit) => Witness.parse(`.switchyard-${digit.repeat(32)}`));
    onInspect = async ({ witness, digests }) => [
      { hasWitness: witness === witnesses[1], digest: `of ${digests.join()}` },
    ];
    const client = await open();
    const inspected = await Promise.all(
      witnesses.map((witness) => client.inspect({ witness, digests: [0, 2] }, 5_000)),
    );
    expect(inspected).toEqual([
      [{ hasWitness: false, digest: "of 0,2" }],
      [{ hasWitness: true, digest: "of 0,2" }],
    ]);
  });

  it("sees nothing where the target's agent cannot look", async () => {
    onInspect = () => Promise.reject(new Error("QEMU is silent"));
    const client = await open();
    const witness = Witness.parse(`.switchyard-${"c".repeat(32)}`);
    expect(await client.inspect({ witness, digests: [] }, 5_000)).toEqual([]);
  });

  it("gives a reading up when none comes, and when the link is closed", async () => {
    onRead = () => new Promise<Reading>(() => undefined);
    const client = await open();
    await expect(client.read("machine", 20)).rejects.toThrow("within 20 ms");
    const waiting = expect(client.read("machine", 5_000)).rejects.toThrow("closed");
    client.close();
    await waiting;
  });

  it("asks for a reading again after a reconnect", async () => {
    const { port } = server;
    let asked: () => void = () => undefined;
    const first = new Promise<void>((resolve) => {
      asked = resolve;
    });
    onRead = () => {
      asked();
      return new Promise<Reading>(() => undefined);
    };
    const client = await open();
    const read = client.read("machine", 10_000);
    await first;
    server.close();
    onRead = async (what) => reading(what);
    await listen(port);
    expect(await read).toEqual(reading("machine"));
  });

  it("is not open to plain text", async () => {
    const socket = connectTcp(server.port, address);
    socket.on("error", () => undefined);
    toClose.push({ close: () => socket.destroy() });
    socket.write(hello + completed);
    await cut(socket);
    expect(calls).toEqual([]);
  });

  it("reads messages that come in pieces", async () => {
    const socket = await speak();
    // Each is a TLS record of its own.
    for (const part of [hello.slice(0, 20), hello.slice(20) + completed.slice(0, 9)]) {
      await new Promise((resolve) => socket.write(part, resolve));
    }
    expect(calls).toEqual([]);
    socket.write(completed.slice(9));
    await vi.waitFor(() => expect(calls).toEqual(["running"]), 20_000);
  });

  it("comes up again after a cut, and sends what was handed over meanwhile", async () => {
    const { port } = server;
    const client = await open();
    await vi.waitFor(() => expect(server.linkUp).toBe(true), 20_000);
    server.close();
    await vi.waitFor(() => expect(client.linkUp).toBe(false), 20_000);
    const answered = client.completed("running", 10_000);
    await listen(port);
    expect(await answered).toBe(true);
    expect(calls).toEqual(["running"]);
  });

  it("hands over again when the answer was lost", async () => {
    const { port } = server;
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    onHandedOver = () => {
      resolve();
      return never();
    };
    const answered = (await open()).completed("running", 10_000);
    await asked;
    server.close();
    onHandedOver = asBefore;
    await listen(port);
    expect(await answered).toBe(true);
  });

  it("comes up in the background after a restart of the source's agent", async () => {
    const { port } = server;
    server.close();
    const client = HandoverClient.reattach({ address: { address, port, key }, migrationId });
    toClose.push(client);
    const answered = client.completed("running", 10_000);
    await listen(port);
    expect(await answered).toBe(true);
  });

  it("has nothing open when it is closed, and ends a wait", async () => {
    const client = await open();
    onHandedOver = never;
    const answered = client.completed("running", 60_000);
    client.close();
    server.close();
    expect(await answered).toBe(false);
    await vi.waitFor(() => {
      const open = process.getActiveResourcesInfo();
      expect(open.filter((kind) => /^TCP/.test(kind))).toEqual([]);
    }, 5_000);
  });

  it("names the handover on each connection, before it is sent, and never while it is broken", async () => {
    const { port } = server;
    server.close();
    const named: number[] = [];
    const client = HandoverClient.reattach({
      address: { address, port, key },
      migrationId,
      beforeHandOver: () => void named.push(calls.length),
    });
    toClose.push(client);
    expect(await client.completed("running", 300)).toBe(false);
    expect(named).toEqual([]);
    const answered = client.completed("running", 10_000);
    await listen(port);
    expect(await answered).toBe(true);
    expect(named).toEqual([0]);
  });

  it("is closed while it is still coming up", async () => {
    const mute = createServer();
    await new Promise<void>((resolve) => mute.listen(0, address, resolve));
    const { port } = mute.address() as { port: number };
    const accepted = new Promise<Socket>((resolve) => mute.once("connection", resolve));
    const client = HandoverClient.reattach({ address: { address, port, key }, migrationId });
    const socket = await accepted;
    socket.resume();
    const ended = new Promise((resolve) => socket.once("close", resolve));
    client.close();
    await ended;
    expect(client.linkUp).toBe(false);
    await closeServer(mute);
  });
});

const closeServer = (mute: Server) => new Promise((resolve) => mute.close(resolve));
