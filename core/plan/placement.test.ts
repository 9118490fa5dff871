import { describe, expect, it } from "vitest";
import { placementOf } from "./placement.ts";
import { apart, explanation, fleet, GIB, plan } from "./testing/fleet.ts";

type Hosts = Parameters<typeof fleet>[0];

function placement(hosts: Hosts, id: string) {
  const snapshot = fleet(hosts);
  const vm = snapshot.vms.find((one) => one.id === id);
  if (vm === undefined) throw new Error(`Expected the fleet to have ${id}`);
  return placementOf(snapshot, vm);
}

/** One guest needs a GPU that is in use, missing, or on a host that is cordoned. */
const gpus: Hosts = {
  a: { vms: { g1: { gib: 16, resources: ["gpu0"] }, a1: 8 } },
  b: { used: 60 },
  c: { resources: ["gpu0"], vms: { c1: { gib: 8, resources: ["gpu0"] } } },
  d: {
    resources: ["gpu0"],
    cordons: [{ owner: "ops", message: "disk swap", since: "2026-11-30T09:00:00Z" }],
  },
};

describe("the placement of a VM", () => {
  it("has the reasons of a plan that empties its host, word for word", () => {
    const found = placement(gpus, "g1");
    const planned = explanation(plan(gpus, ["a"]), "g1");
    const others = planned?.reasons.filter(
      ({ hosts }) => !(hosts as readonly string[]).includes("a"),
    );
    expect(found.reasons).toEqual(others);
    expect(found.fitting).toEqual([]);
  });

  it("has every reason of each host, and none that is false", () => {
    const { reasons, cures } = placement(gpus, "g1");
    expect(
      Object.fromEntries(
        reasons.flatMap(({ hosts, blockers }) =>
          hosts.map((host) => [host, blockers.map(({ code }) => code).sort()]),
        ),
      ),
    ).toEqual({
      b: ["memory-short", "resource-missing"],
      c: ["resource-in-use"],
      d: ["cordoned"],
    });
    expect(cures[0]).toMatch(/c1|Uncordon d/);
  });

  it("lists the hosts that would take it, and then needs no cure", () => {
    expect(placement(gpus, "a1")).toMatchObject({ host: "a", fitting: ["c"], cures: [] });
  });

  it("has the VM's own reasons beside the hosts that would take it", () => {
    const pinned = { gib: 8, pinned: { by: "ops" } };
    const found = placement({ a: { vms: { p: pinned } }, b: {} }, "p");
    expect(found.blockers).toMatchObject([{ code: "pinned", message: /ops/ }]);
    expect(found.fitting).toEqual(["b"]);
  });

  it("counts members of its group that are on their way", () => {
    const moving = { target: "c", endsInMs: 9, bytesPerSecond: GIB };
    const x = (rest = {}) => ({ gib: 8, ...apart("x"), ...rest });
    const hosts = { a: { vms: { a1: x() } }, b: { vms: { b1: x({ inFlight: moving }) } }, c: {} };
    const { reasons } = placement(hosts, "a1");
    expect(reasons.flatMap(({ hosts: names }) => names)).toEqual(["b", "c"]);
    expect(placement(hosts, "b1").blockers).toMatchObject([{ code: "migration-in-progress" }]);
  });

  it("names one move that makes room", () => {
    const hosts = { a: { vms: { a1: 40 } }, b: { vms: { b1: 30 } }, c: { used: 30 } };
    expect(placement(hosts, "a1").cures[0]).toBe("Move b1 from b to c, which makes room on b");
  });

  it("lists 1,000 hosts with the same reasons together", () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, n) => [`h${n}`, { used: 63 }]),
    );
    const { reasons } = placement({ a: { vms: { a1: 2 } }, ...many }, "a1");
    expect(reasons).toHaveLength(1);
    expect(reasons[0]?.hosts).toHaveLength(1_000);
  });
});
