import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, it, onTestFinished, vi } from "vitest";
import type { Guest } from "../../guest/guest.ts";
import { useStoppableProcess } from "../../testing/stopped-process.ts";
import { judgeStream, type StreamFacts, StreamWatch } from "./stream-watch.ts";

const SOURCE = "192.0.2.1";
const STRANGER = "192.0.2.9";

function judge(facts: Partial<StreamFacts>) {
  return judgeStream({
    nowMs: 10_000,
    answeredAtMs: 9_900,
    startingAtMs: undefined,
    status: "setup",
    peers: [],
    peersBefore: [],
    sources: [SOURCE],
    ...facts,
  });
}

const startingAtMs = 9_000;

it.each<[string, Partial<StreamFacts>, string]>([
  ["nobody is connected and nothing is due", {}, "waiting"],
  ["a peer before the source's report, seen once", { peers: [SOURCE] }, "waiting"],
  ["the source is connecting", { startingAtMs, peers: [SOURCE] }, "waiting"],
  ["the source's stream runs", { startingAtMs, peers: [SOURCE], status: "active" }, "streaming"],
  [
    "the source's address is not known",
    { startingAtMs, sources: [], peers: [STRANGER], status: "active" },
    "streaming",
  ],
  ["QEMU is active before the source's report", { status: "active" }, "waiting"],
])("%s", (_, facts, type) => {
  expect(judge(facts)).toEqual({ type });
});

it.each<[string, Partial<StreamFacts>, string]>([
  [
    "a peer before the source's report, seen twice",
    { peers: [SOURCE], peersBefore: [SOURCE] },
    "A stranger, 192.0.2.1,",
  ],
  [
    "a stranger beside the source's stream",
    { startingAtMs, status: "active", peers: [SOURCE, STRANGER] },
    "A stranger, 192.0.2.9,",
  ],
  ["QEMU is silent for 2 s", { answeredAtMs: 8_000 }, "has not answered for 2000 ms"],
  ["no stream 5 s after the source's report", { startingAtMs: 5_000 }, "No stream has begun"],
])("B1: trouble: %s", (_, facts, reason) => {
  expect(judge(facts)).toMatchObject({
    type: "trouble",
    reason: expect.stringContaining(reason),
  });
});

it("does not take the time for which its own agent was stopped for QEMU's silence", async () => {
  const { stopFor } = useStoppableProcess();
  let answers = true;
  const execute = () => (answers ? Promise.resolve({}) : new Promise(() => undefined));
  const troubles: string[] = [];
  const watch = new StreamWatch({
    guest: { qmp: { execute } } as unknown as Guest,
    address: "127.0.0.1",
    port: 1,
    isUnconnected: () => true,
    sources: () => [SOURCE],
    onStream: () => undefined,
    onTrouble: (reason) => troubles.push(reason),
  });
  onTestFinished(() => watch.close());
  await vi.advanceTimersByTimeAsync(1_000);
  answers = false;
  stopFor(60_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(troubles).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(troubles).toEqual([expect.stringContaining("The target's QEMU has not answered")]);
});

it("an answer that came with the stream's event does not hide it", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection");
  const source = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.3" });
  onTestFinished(() => void source.destroy());
  await accepted;
  let answer: ((info: object) => void) | undefined;
  const execute = () => new Promise((resolve) => (answer = resolve));
  const begun = Promise.withResolvers<void>();
  const watch = new StreamWatch({
    guest: { qmp: { execute } } as unknown as Guest,
    address: "127.0.0.1",
    port,
    isUnconnected: () => true,
    sources: () => ["127.0.0.3"],
    onStream: begun.resolve,
    onTrouble: (reason) => begun.reject(new Error(reason)),
  });
  onTestFinished(() => watch.close());
  await watch.starting();
  await vi.waitFor(() => expect(answer).toBeDefined(), 10_000);
  // Both in one packet; QEMU says nothing more while it loads a device.
  answer?.({ status: "setup" });
  watch.onStatus("active");
  await begun.promise;
});
