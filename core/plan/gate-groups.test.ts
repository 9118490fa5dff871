import { describe, expect, it } from "vitest";
import { Execution } from "./execution.ts";
import type { Move } from "./move.ts";
import { draftPlan, executionInput } from "./plan.ts";
import { random } from "./random.ts";
import { apart, explanation, fleet, GIB, options, plan, targets } from "./testing/fleet.ts";

const inGroup = (gateGroup: string, rest = {}) => ({ gib: 10, gateGroup, ...rest });
const twoSlots = { linkOutBytesPerSecond: 2 * GIB, linkInBytesPerSecond: 2 * GIB };

describe("gate groups, acceptance case 4", () => {
  const hosts = {
    a: {
      memoryBytes: 128 * GIB,
      ...twoSlots,
      vms: {
        a1: inGroup("g"),
        a2: inGroup("g"),
        a3: inGroup("g"),
        a4: inGroup("h"),
        a5: inGroup("h"),
        a6: inGroup("k"),
        a7: inGroup("k"),
      },
    },
    b: twoSlots,
  };

  it("one that needs more slots than there are stays, and the plan says what would do", () => {
    const found = plan(hosts, ["a"]);
    expect(found.unplaced.map(({ vm }) => vm)).toEqual(["a1", "a2", "a3"]);
    for (const { blockers } of found.unplaced) {
      expect(blockers).toHaveLength(1);
      expect(blockers[0]).toMatchObject({
        code: "group-exceeds-slots",
        message: "3 must be at the gate together, a has 2 slots out",
      });
      // 2 GiB/s / 3 = 5.726 Gbit/s
      expect(blockers[0]?.cure).toContain("5.72 Gbit/s");
      expect(blockers[0]?.cure).toContain("3 slots out");
    }
    expect(explanation(found, "a1")?.fitting).toEqual(["b"]);
  });

  it("the others go completely, one after the other", () => {
    const ends = plan(hosts, ["a"]).moves.map(({ vm, endAtMs }) => [vm, endAtMs]);
    expect(ends).toEqual([
      ["a4", 10_000],
      ["a5", 10_000],
      ["a6", 20_000],
      ["a7", 20_000],
    ]);
  });

  it("in any order in which targets become ready, no two groups are at the gate together", () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const draw = random(seed);
      const execution = new Execution(executionInput(draftPlan(fleet(hosts), options(["a"]))));
      const preparing = new Set<Move>();
      const flying = new Set<Move>();
      let ended = 0;
      for (let step = 0; step < 100 && ended < 4; step += 1) {
        const { prepare, start } = execution.next();
        for (const move of prepare) preparing.add(move);
        for (const move of start) flying.add(move);
        const groups = new Set([...flying].map(({ guest }) => guest.vm.gateGroup));
        expect(groups.size).toBeLessThanOrEqual(1);
        expect(flying.size === 0 || flying.size === 2 || ended % 2 === 1).toBe(true);
        const from = preparing.size > 0 ? preparing : flying;
        const chosen = [...from][Math.floor(draw.next() * from.size)];
        if (chosen === undefined) break;
        from.delete(chosen);
        if (from === preparing) execution.prepared(chosen);
        else {
          execution.ended(chosen);
          ended += 1;
        }
      }
      expect(ended).toBe(4);
    }
  });
});

describe("a gate group", () => {
  it("waits for its slots before less urgent migrations, and ends with its slowest", () => {
    const vms = { a1: inGroup("g"), a2: { gib: 20, gateGroup: "g" }, a3: 15, a4: 14, a5: 1 };
    const found = plan({ a: { memoryBytes: 128 * GIB, ...twoSlots, vms }, b: twoSlots }, ["a"]);
    const at = new Map(found.moves.map((move) => [move.vm as string, move]));
    expect(at.get("a1")?.startAtMs).toBe(at.get("a2")?.startAtMs);
    expect(at.get("a1")?.endAtMs).toBe(at.get("a2")?.endAtMs);
    expect(found.moves).toHaveLength(5);
  });

  it("moves as a whole or not at all", () => {
    const hosts = { a: { ...twoSlots, vms: { a1: inGroup("g"), a2: inGroup("g"), a3: 4 } } };
    const found = plan({ ...hosts, b: { ...twoSlots, used: 50 } }, ["a"]);
    expect(targets(found)).toEqual({ a3: "b" });
    expect(found.unplaced.map(({ blockers }) => blockers[0]?.code)).toEqual([
      "gate-group",
      "gate-group",
    ]);
  });

  it("does not move if one of it is pinned", () => {
    const vms = { a1: inGroup("g", { pinned: { by: "ops" } }), a2: inGroup("g") };
    const found = plan({ a: { ...twoSlots, vms }, b: twoSlots }, ["a"]);
    expect(found.unplaced.map(({ vm, blockers }) => [vm, blockers[0]?.code])).toEqual([
      ["a1", "pinned"],
      ["a2", "gate-group"],
    ]);
  });

  it("spreads over targets with one slot in each", () => {
    const vms = { a1: inGroup("g"), a2: inGroup("g") };
    const found = plan({ a: { ...twoSlots, vms }, b: {}, c: {} }, ["a"]);
    expect(Object.values(targets(found)).toSorted()).toEqual(["b", "c"]);
    expect(plan({ a: { ...twoSlots, vms }, b: {} }, ["a"]).moves).toEqual([]);
  });

  it("on two hosts that are emptied in turn is refused, and at once it goes", () => {
    const hosts = {
      a: { vms: { a1: inGroup("g", apart("x")) } },
      d: { vms: { d1: inGroup("g", apart("x")) } },
      b: {},
      c: {},
    };
    const found = plan(hosts, ["a", "d"], { hostsAtOnce: 1 });
    expect(found.unplaced[0]?.blockers[0]?.code).toBe("group-on-several-hosts");
    expect(plan(hosts, ["a", "d"]).moves.map(({ startAtMs }) => startAtMs)).toEqual([0, 0]);
  });
});
