import { describe, expect, it } from "vitest";
import { type Homes, planReturn } from "./return-plan.ts";
import { apart, fleet, options } from "./testing/fleet.ts";

type Hosts = Parameters<typeof fleet>[0];

function back(hosts: Hosts, homes: Record<string, string>, rest = {}) {
  const entries = Object.entries(homes) as [string, string][];
  return planReturn(fleet(hosts), new Map(entries) as unknown as Homes, options(["a"], rest));
}

const times = ({ moves }: ReturnType<typeof back>) =>
  moves.map(({ vm, target, prepareAtMs, endAtMs }) => [vm, target, prepareAtMs, endAtMs]);

describe("the way back, acceptance case 12", () => {
  const homes = { a1: "a", b1: "b", c1: "c" };
  const moved = { s: { vms: { a1: 48 } }, a: { vms: { b1: 48 } }, b: { vms: { c1: 48 } } };

  it("is taken in an order in which each VM finds its room", () => {
    expect(times(back({ ...moved, c: {} }, homes))).toEqual([
      ["c1", "c", 0, 48_000],
      ["b1", "b", 48_000, 96_000],
      ["a1", "a", 96_000, 144_000],
    ]);
  });

  it("that is closed by another VM leaves all where they are, with the chain of reasons", () => {
    const found = back({ ...moved, c: { vms: { n1: 48 } } }, homes);
    expect(found.moves).toEqual([]);
    const texts = Object.fromEntries(
      found.staying.map(({ vm, blockers }) => [
        vm,
        `${blockers[0]?.message}. ${blockers[0]?.cure}`,
      ]),
    );
    expect(texts).toEqual({
      a1: "a has 16 GiB free, it needs 48 GiB: b1 has it; b1 would have to go home to b first. See the reasons of b1",
      b1: "b has 16 GiB free, it needs 48 GiB: c1 has it; c1 would have to go home to c first. See the reasons of c1",
      c1: "c has 16 GiB free, it needs 48 GiB: n1 has it. Move n1 off c",
    });
  });
});

describe("the way back", () => {
  it("does not wait where there is room anyway", () => {
    const hosts = { s: { vms: { a1: 8 } }, a: { vms: { b1: 8 } }, b: {} };
    const found = back(hosts, { a1: "a", b1: "b" });
    expect(found.moves.map(({ startAtMs }) => startAtMs)).toEqual([0, 0]);
  });

  it("ignores that hosts are emptied in turn: a home waits for another host's guest", () => {
    const hosts = { s: { vms: { a1: 48 } }, a: { vms: { b1: 48 } }, b: {} };
    const found = back(hosts, { a1: "a", b1: "b" }, { hostsAtOnce: 1, returnAfterMs: 1_000 });
    expect(found.moves.map(({ vm, startAtMs }) => [vm, startAtMs])).toEqual([
      ["b1", 0],
      ["a1", 48_000],
    ]);
  });

  it("of two VMs that have each other's room needs a third host, so both stay", () => {
    const found = back({ a: { vms: { b1: 40 } }, b: { vms: { a1: 40 } } }, { a1: "a", b1: "b" });
    expect(found.moves).toEqual([]);
    expect(found.staying.map(({ blockers }) => blockers[0]?.code)).toEqual([
      "memory-short",
      "memory-short",
    ]);
  });

  it.each([
    ["a home in maintenance", { state: "maintenance" }, "host-maintenance"],
    ["a cordoned home", { cordons: [{ owner: "ops" }] }, "cordoned"],
    ["a home without the VM's machine type", { qemu: "7.2" }, "machine-type-unknown"],
  ])("does not lead to %s", (_, facts, code) => {
    const found = back({ s: { vms: { a1: 8 } }, a: facts }, { a1: "a" });
    expect(found.staying[0]?.blockers.map((blocker) => blocker.code)).toEqual([code]);
  });

  it("keeps required rules", () => {
    const vm = { gib: 8, ...apart("x") };
    const found = back({ s: { vms: { a1: vm } }, a: { vms: { n1: vm } } }, { a1: "a" });
    expect(found.staying[0]?.blockers[0]?.message).toContain("n1");
  });

  it("is not taken by a VM that is at home, and refuses one that it does not know", () => {
    expect(back({ a: { vms: { a1: 8 } } }, { a1: "a" })).toMatchObject({ moves: [], staying: [] });
    expect(() => back({ a: {} }, { z9: "a" })).toThrow("to have `z9` at rest, got none");
  });
});
