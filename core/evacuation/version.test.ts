import { describe, expect, it } from "vitest";
import { HostId, VmId } from "../id.ts";
import { Tolerance } from "./request.ts";
import { turnsToBegin } from "./turns.ts";
import { beyondTolerance, names, placementChanges, type VersionOutline } from "./version.ts";

const host = (name: string) => HostId.parse(name);
const outline = (fields: Partial<VersionOutline> = {}): VersionOutline => ({
  version: 1,
  endMs: 100_000,
  targets: [host("b")],
  moves: 4,
  unplaced: 0,
  ...fields,
});

describe("the tolerance around an approved version", () => {
  const byDefault = Tolerance.parse({});
  it.each<[string, Partial<VersionOutline>, object, RegExp | undefined]>([
    ["allows the same", {}, {}, undefined],
    ["allows an end that is 20 % later", { endMs: 120_000 }, {}, undefined],
    ["allows no later one", { endMs: 121_000 }, {}, /21 s later, and 20 s are allowed/],
    ["allows fewer targets", { targets: [] }, {}, undefined],
    ["allows no new target", { targets: [host("c")] }, {}, /new target hosts: c/],
    ["may allow new targets", { targets: [host("c")] }, { newTargets: true }, undefined],
    ["allows VMs to stay", { unplaced: 2 }, {}, undefined],
    ["may not allow it", { unplaced: 2 }, { newRemainder: false }, /2 more VMs stay/],
  ])("%s", (_, fields, rules, beyond) => {
    const found = beyondTolerance(outline(), outline(fields), { ...byDefault, ...rules });
    if (beyond === undefined) expect(found).toEqual([]);
    else expect(found.join()).toMatch(beyond);
  });
});

it("the changes between two versions name each VM whose place differs", () => {
  const vm = (name: string, target?: string) => ({
    vm: VmId.parse(name),
    ...(target === undefined ? {} : { target: host(target) }),
  });
  const before = [vm("a1", "b"), vm("a2", "b"), vm("a3"), vm("a4", "b")];
  const after = [vm("a1", "b"), vm("a2", "c"), vm("a3", "b"), vm("a9", "b")];
  expect(placementChanges(before, after)).toEqual([
    "a2: c in place of b",
    "a3: b in place of staying",
    "a9 is new: b",
    "a4 is gone",
  ]);
  expect(placementChanges(before, before)).toEqual([]);
});

it("a long list of names is cut", () => {
  expect(names(["a", "b", "c", "d", "e", "f", "g"])).toBe("a, b, c, d, e and 2 more");
});

describe("the turns of hosts", () => {
  const turns = (...states: ("waiting" | "draining" | "emptied" | "kept")[]) =>
    states.map((state, index) => ({ host: host(`h${index}`), state }));
  const all = { canaryHosts: 0, ramp: [], hostsAtOnce: 0 };
  it.each<[string, ReturnType<typeof turns>, object, string[]]>([
    ["all at once", turns("waiting", "waiting"), {}, ["h0", "h1"]],
    ["one at a time", turns("draining", "waiting"), { hostsAtOnce: 1 }, []],
    ["the next when one is empty", turns("emptied", "waiting"), { hostsAtOnce: 1 }, ["h1"]],
    ["the canary first", turns("waiting", "waiting", "waiting"), { canaryHosts: 1 }, ["h0"]],
    ["no other while it drains", turns("draining", "waiting", "waiting"), { canaryHosts: 1 }, []],
    [
      "then as many as the ramp says",
      turns("emptied", "waiting", "waiting", "waiting"),
      { canaryHosts: 1, ramp: [2], hostsAtOnce: 1 },
      ["h1", "h2"],
    ],
    ["after one that keeps guests, too", turns("kept", "waiting"), { hostsAtOnce: 1 }, ["h1"]],
  ])("%s", (_, given, limits, begin) => {
    expect(turnsToBegin(given, { ...all, ...limits })).toEqual(begin);
  });
});
