import { describe, expect, it } from "vitest";
import { leftoversIn } from "../workflow/testing/leftovers.ts";
import { poorRefusals } from "./testing/check-refusals.ts";
import { startsWhileClosed } from "./testing/check-starts.ts";

describe("the checker of starts", () => {
  const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
  const start = (second: number) => ({ id: "mig_1", vm: "v1", target: "b", createdAt: at(second) });
  const closed = (from: number, to: number, target?: string) => ({
    what: "it was paused",
    target,
    fromMs: Date.parse(at(from)),
    toMs: Date.parse(at(to)),
  });

  it.each([
    ["while it is closed", 3, closed(2, 4), 1],
    ["as it is closed", 2, closed(2, 4), 0],
    ["when it is open again", 5, closed(2, 4), 0],
    ["to a target that is closed", 3, closed(2, 4, "b"), 1],
    ["to another target", 3, closed(2, 4, "c"), 0],
  ])("knows one %s", (_, second, closure, faults) => {
    expect(startsWhileClosed([start(second)], [closure])).toHaveLength(faults);
  });

  it("knows one that gets its slots while it is closed", () => {
    const prepared = { ...start(1), slotsSince: at(3) };
    expect(startsWhileClosed([prepared], [closed(2, 4)])).toHaveLength(1);
    expect(startsWhileClosed([prepared], [closed(4, 5)])).toEqual([]);
  });
});

describe("the checker of refusals", () => {
  const none = { moves: [], migrations: [], plans: [] };
  const refusal = { code: "memory-short", message: "It needs 16 GiB", cure: "Make room" };
  const move = { vm: "v1" as never, tries: [] };
  const plan = (blockers: object[]) => ({
    unplaced: [{ vm: "v1", host: "a", blockers: [], explanation: 0 }],
    explanations: [{ reasons: [{ hosts: ["b"], blockers }], fitting: [], cures: [] }],
    refusals: [],
  });

  it("is content with a code, a sentence and a cure", () => {
    const said = { ...none, plans: [plan([refusal])] as never };
    expect(poorRefusals(said)).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ["no cure", { plans: [plan([{ ...refusal, cure: " " }])] }, /memory-short without a cure/],
    ["no code", { plans: [plan([{ ...refusal, code: "Memory short" }])] }, /the code Memory short/],
    ["no reason at all", { plans: [plan([])] }, /no place for v1, and no reason/],
    ["a failure", { migrations: [{ id: "mig_1", status: "failed" }] }, /mig_1: the code undefined/],
    [
      "a move",
      { moves: [{ ...move, state: "failed", reason: "x" }] },
      /v1 is failed without a cure/,
    ],
    ["a VM that is gone", { moves: [{ ...move, state: "gone" }] }, /v1 is gone without a reason/],
  ])("finds %s", (_, found, fault) => {
    expect(poorRefusals({ ...none, ...found }).join()).toMatch(fault);
  });
});

describe("the checker of leftovers", () => {
  const rest = {
    places: new Map([["v1", "a"]]),
    hosts: ["a", "b"],
    memoryBytes: 10,
    evacuation: "evac_1",
  };
  const meta = (pk: string, fields: object = {}) => ({ pk, sk: "META", ...fields });
  const a = meta("HOST#a", { reservedBytes: 10, "apart:x": new Set(["v1"]) });

  it("finds nothing where all is at rest", () => {
    const rows = [a, meta("VM#v1"), meta("MIG#m1", { status: "completed" })];
    expect(leftoversIn(rows, rest)).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ["a slot", { ...a, outgoing: new Set(["m1"]) }, /slots of a/],
    ["memory", { ...a, reservedBytes: 20 }, /20 bytes of a for 1 guests/],
    [
      "a claim",
      meta("HOST#b", { reservedBytes: 0, "apart:x": new Set(["v1"]) }),
      /claim of v1 on b/,
    ],
    ["a drain", { ...a, cordons: [{ owner: "evac_1", drains: true }] }, /the drain of a/],
    ["a lock", meta("VM#v1", { lockedBy: "m1" }), /the lock of v1/],
    ["a listener", { pk: "HOST#a", sk: "EVACUATION#evac_1" }, /EVACUATION#evac_1 of a/],
    ["a lane", meta("LANE#a#b#10"), /LANE#a#b#10/],
    ["a queued move", { pk: "EVAC#evac_1", sk: "OUT#a#000001#v1" }, /OUT#a/],
  ])("finds %s", (_, row, fault) => {
    expect(leftoversIn([row], rest).join()).toMatch(fault);
  });

  it("finds the secret of a migration that has ended, and not of one that runs", () => {
    const secret = { pk: "MIG#m1", sk: "SECRET" };
    const ended = [secret, meta("MIG#m1", { status: "failed" })];
    expect(leftoversIn(ended, rest)).toEqual(["the secret of m1"]);
    expect(leftoversIn([secret, meta("MIG#m1", { status: "running" })], rest)).toEqual([]);
  });
});
