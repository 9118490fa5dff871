import { expect, it } from "vitest";
import { judgeStream, pauseBetween, type StreamFacts } from "./stream-watch.ts";

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

it.each([
  ["on time", 200, 0],
  ["a little late", 600, 0],
  ["after the agent was stopped for 2.5 s", 2_700, 2_500],
])("counts no silence while the agent does not run: a look %s", (_, lookMs, pausedMs) => {
  expect(pauseBetween(1_000, 1_000 + lookMs)).toBe(pausedMs);
});
