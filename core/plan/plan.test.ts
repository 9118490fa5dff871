import { describe, expect, it } from "vitest";
import { planEvacuation } from "./plan.ts";
import { apart, codes, explanation, fleet, GIB, options, plan, targets } from "./testing/fleet.ts";

describe("a placement, acceptance case 9", () => {
  const only = {
    a: {
      vms: {
        a1: 8,
        a2: { gib: 16, ...apart("y") },
        a3: 12,
        a4: { gib: 16, ...apart("x") },
        a5: { gib: 8, ...apart("y") },
      },
    },
    b: { used: 44 },
    c: { used: 48 },
    d: { used: 24, vms: { d1: { gib: 16, ...apart("x") } } },
  };

  it("is found where only one exists", () => {
    const found = plan(only, ["a"]);
    expect(found.unplaced).toEqual([]);
    expect(targets(found)).toEqual({ a1: "d", a2: "d", a3: "b", a4: "c", a5: "b" });
  });

  it("that does not exist leaves one VM with reasons that are true", () => {
    const found = plan({ ...only, c: { used: 49 } }, ["a"]);
    expect(found.moves).toHaveLength(4);
    expect(found.memory).toEqual({ neededBytes: 60 * GIB, freeBytes: 59 * GIB });
    const left = found.unplaced[0]?.vm ?? "";
    expect(Object.keys(codes(found, left)).toSorted()).toEqual(["b", "c", "d"]);
    const blockers = explanation(found, left)?.reasons.flatMap((group) => group.blockers) ?? [];
    const given = blockers.filter(({ code }) => code === "memory-given-in-plan");
    expect(given.length).toBeGreaterThan(0);
    for (const { message } of given) expect(message).toContain("in this plan");
    expect(blockers.map(({ code }) => code)).not.toContain("not-found");
  });

  it("is the same each time", () => {
    const runs = Array.from({ length: 10 }, () => JSON.stringify(plan(only, ["a"])));
    expect(new Set(runs).size).toBe(1);
  });
});

describe("N+1, acceptance case 10", () => {
  const hosts = {
    a: { vms: { a1: 16, a2: 16 } },
    b: { vms: { b1: 40 } },
    c: { vms: { c1: 16 } },
    d: { vms: { d1: 16 } },
  };

  it("is a packing, not a sum: the guests of each host fit on the others", () => {
    const found = plan(hosts, ["a"], { keepNPlusOne: true });
    expect(found.unplaced).toEqual([]);
    expect([targets(found).a1, targets(found).a2].toSorted()).not.toEqual(["c", "d"]);
    expect(found.nPlusOne?.text).toContain("kept; tightest: b (b1 needs 40 GiB");
  });

  it.each([
    ["b", "c", true],
    ["b", "d", true],
    ["c", "b", true],
    ["d", "b", true],
    ["c", "c", true],
    ["d", "d", true],
    ["c", "d", false],
    ["d", "c", false],
  ])("is kept with guests on %s and %s: %s", (one, other, isKept) => {
    const vms = (host: string) => ({
      ...hosts[host as "b" | "c" | "d"].vms,
      ...(one === host ? { a1: 16 } : {}),
      ...(other === host ? { a2: 16 } : {}),
    });
    const there = { a: {}, b: { vms: vms("b") }, c: { vms: vms("c") }, d: { vms: vms("d") } };
    expect(plan(there, ["a"], { keepNPlusOne: true }).nPlusOne?.isKept).toBe(isKept);
  });

  it("does not keep the others where they are when one VM has no place", () => {
    const found = plan({ ...hosts, a: { vms: { a1: 16, a9: 64 } } }, ["a"], { keepNPlusOne: true });
    expect(Object.keys(targets(found))).toEqual(["a1"]);
    expect(found.unplaced.map(({ vm }) => vm)).toEqual(["a9"]);
  });

  it("that no placement keeps refuses the plan and names what is missing", () => {
    const found = plan({ ...hosts, b: { vms: { b1: 56 } } }, ["a"], { keepNPlusOne: true });
    expect(found.moves).toEqual([]);
    expect(found.refusals[0]).toMatchObject({ code: "n-plus-one" });
    expect(found.refusals[0]?.message).toContain("b1");
    expect(found.refusals[0]?.cure).toContain("8 GiB");
  });
});

describe("hosts that come back, acceptance case 32", () => {
  const eight = (...ids: string[]) => Object.fromEntries(ids.map((id) => [id, 8]));
  const three = {
    a: { vms: eight("a1", "a2", "a3", "a4") },
    b: { vms: eight("b1", "b2", "b3") },
    c: { vms: eight("c1") },
  };
  const rolling = { hostsAtOnce: 1, returnAfterMs: 1_000 };

  it("are emptied in the order with the fewest second moves", () => {
    const found = plan(three, ["a", "b", "c"], rolling);
    expect(found.moves).toHaveLength(9);
    expect(found.movesPerVm).toBe(1.125);
    expect(found.secondMoves).toEqual(["c1"]);
    expect(found.hosts[0]?.host).toBe("c");
  });

  it("need no second move with a spare host", () => {
    const found = plan({ ...three, s: {} }, ["a", "b", "c"], rolling);
    expect(found.moves).toHaveLength(8);
    expect(found.movesPerVm).toBe(1);
    expect(found.moves[0]?.target).toBe("s");
  });

  it("take guests only after they are back", () => {
    const found = plan({ ...three, s: { used: 40 } }, ["a", "b", "c"], rolling);
    const emptied = new Map(found.hosts.map(({ host, emptiedAtMs }) => [host, emptiedAtMs]));
    for (const { target, prepareAtMs } of found.moves) {
      const at = emptied.get(target);
      if (at !== undefined) expect(prepareAtMs).toBeGreaterThanOrEqual(at + 1_000);
    }
    expect(found.movesPerVm).toBe(1);
  });
});

describe("reasons", () => {
  it("are complete and none is false (case 35)", () => {
    const gpu = ["gpu0"];
    const found = plan(
      {
        a: {
          resources: gpu,
          cpuModels: ["two", "three"],
          vms: { g1: { gib: 16, resources: gpu, cpuModel: "three" }, a1: 8 },
        },
        b: { used: 60, cpuModels: ["two", "three"] },
        c: { resources: gpu, cpuModels: ["two"], vms: { c1: { gib: 0, resources: gpu } } },
        d: { resources: gpu, cpuModels: ["two", "three"], cordons: [{ owner: "ops" }] },
      },
      ["a"],
    );
    expect(targets(found)).toEqual({ a1: "c" });
    expect(codes(found, "g1")).toEqual({
      b: ["memory-short", "resource-missing"],
      c: ["cpu-features-missing", "resource-in-use"],
      d: ["cordoned"],
    });
    expect(explanation(found, "g1")?.cures[0]).toContain("Uncordon d");
  });

  it("of a thousand hosts are grouped (case 35), with a move that makes room", () => {
    const full = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [
        `h${index}`,
        { used: 60, vms: { [`v${index}`]: 3 } },
      ]),
    );
    const found = plan({ a: { vms: { a1: 2 } }, ...full, s: { used: 60, vms: { s1: 1, s2: 2 } } }, [
      "a",
    ]);
    const { reasons = [], cures = [] } = explanation(found, "a1") ?? {};
    expect(reasons.map(({ hosts, blockers }) => [hosts.length, blockers[0]?.code])).toEqual([
      [1, "host-being-emptied"],
      [1001, "memory-short"],
    ]);
    expect(cures[0]).toMatch(/^Move s1 from s to h0/);
  });

  it("lie in the VM itself where it is pinned; the others move (case 36)", () => {
    const found = plan({ a: { vms: { a1: 8, a9: { gib: 8, pinned: { by: "ops" } } } }, b: {} }, [
      "a",
    ]);
    expect(targets(found)).toEqual({ a1: "b" });
    expect(found.unplaced[0]).toMatchObject({
      vm: "a9",
      blockers: [{ code: "pinned" }],
    });
    expect(explanation(found, "a9")?.fitting).toEqual(["b"]);
    expect(found.hosts[0]).not.toHaveProperty("emptiedAtMs");
  });

  it("say so when there is no host at all (case 36)", () => {
    const hosts = { a: { vms: { a1: 8 } }, b: { state: "maintenance" }, c: { state: "retiring" } };
    const found = plan(hosts, ["a"]);
    expect(codes(found, "a1")).toEqual({ b: ["host-maintenance"], c: ["host-retiring"] });
    expect(found.refusals.map(({ code }) => code)).toEqual(["nothing-to-move"]);
  });

  it("are negotiation's where QEMUs differ", () => {
    const hosts = {
      a: { qemu: "11.1", vms: { a1: { gib: 8, machineType: "pc-i440fx-11.1" } } },
      b: {},
    };
    expect(codes(plan(hosts, ["a"]), "a1")).toEqual({ b: ["machine-type-unknown"] });
  });

  it("name a window that is too short for one VM, and others go (case 14)", () => {
    const found = plan({ a: { vms: { a1: 40, a2: 20 } }, b: {} }, ["a"], { windowMs: 30_000 });
    expect(targets(found)).toEqual({ a2: "b" });
    expect(found.unplaced[0]?.blockers[0]?.code).toBe("window-too-short");
  });

  it("name a downtime budget that the learned load time uses up", () => {
    const learned = { dirtyBytesPerSecond: 0, loadMs: 400, from: "vm a1, 3 migrations" };
    const hosts = { a: { vms: { a1: { gib: 8, downtimeBudgetMs: 300, learned } } }, b: {} };
    expect(plan(hosts, ["a"]).unplaced[0]?.blockers[0]?.message).toContain("vm a1, 3 migrations");
  });
});

describe("wishes and rules, acceptance case 38", () => {
  const hosts = (strength: string) => ({
    a: {
      labels: { rack: "1" },
      vms: {
        a1: { gib: 8, preferredLabels: { rack: "1" }, ...apart("x", strength) },
        a2: { gib: 8, ...apart("x", strength) },
      },
    },
    b: {},
    c: { used: 60 },
  });

  it("a preference is given up, and the plan says so", () => {
    const found = plan(hosts("preferred"), ["a"]);
    expect(targets(found)).toEqual({ a1: "b", a2: "b" });
    expect(found.warnings.join("\n")).toContain("a1 prefers rack=1, b is not");
    expect(found.warnings.join("\n")).toContain("share b (preferred apart: x)");
  });

  it("a required rule is not", () => {
    const found = plan(hosts("required"), ["a"]);
    expect(found.moves).toHaveLength(1);
    const [left] = found.unplaced;
    expect(codes(found, left?.vm ?? "")).toEqual({ b: ["anti-affinity"], c: ["memory-short"] });
  });

  it("a group that must be together is placed as one", () => {
    const together = { affinities: [{ group: "g", rule: "together" }] };
    const vms = { a1: { gib: 12, ...together }, a2: { gib: 12, ...together }, a3: 20 };
    const found = plan({ a: { vms }, b: { used: 42 }, c: { used: 40 } }, ["a"]);
    expect(targets(found)).toEqual({ a1: "c", a2: "c", a3: "b" });
  });
});

describe("rates that do not divide, acceptance case 46", () => {
  const rates = (gbit: number) => ({
    linkOutBytesPerSecond: gbit * 1.25e8,
    linkInBytesPerSecond: gbit * 1.25e8,
  });
  const vms = Object.fromEntries(["a1", "a2", "a3", "a4", "a5", "a6"].map((id) => [id, 16]));

  it("cap a stream to the slower link, and name the bottleneck", () => {
    const found = plan(
      {
        a: { memoryBytes: 128 * GIB, ...rates(25), vms },
        b: { memoryBytes: 128 * GIB, ...rates(10) },
      },
      ["a"],
      { streamBytesPerSecond: 8 * 1.25e8 },
    );
    expect(Math.max(...overlaps(found.moves))).toBe(1);
    expect(found.bottleneck?.text).toBe("b's link in, 10 Gbit/s, with 1 at once");
  });

  it("give a stream that is faster than the link the link's rate", () => {
    const found = plan({ a: { ...rates(10), vms: { a1: 64 } }, b: rates(10) }, ["a"], {
      streamBytesPerSecond: 25 * 1.25e8,
    });
    expect(Math.round(found.eta.ms / 10)).toBe(5498);
    expect(found.lowerBoundMs).toBeCloseTo(found.eta.ms);
  });

  it("are assumed and said where nobody knows them", () => {
    const unknown = { linkOutBytesPerSecond: undefined, linkInBytesPerSecond: undefined };
    const found = plan({ a: { ...unknown, vms: { a1: { gib: 1, learned: {} } } }, b: {} }, ["a"]);
    expect(found.assumptions[0]).toContain("The speed of the links of a is not known: 1 Gbit/s");
    expect(found.assumptions[1]).toContain("have not moved yet");
    expect(found.eta.ms).toBeGreaterThan(8_000);
    expect(found.eta.highMs).toBeGreaterThan(found.eta.lowMs);
  });
});

describe("disks that move with their VMs", () => {
  const disk = { driver: "raw", "node-name": "data", file: { driver: "file", filename: "/d" } };
  const withDisk = { gib: 2, storage: { data: "copy" }, blockdevs: [disk] };
  const hosts = (vm: object) => ({
    a: { tls: ["psk"], vms: { a1: { ...withDisk, ...vm }, a2: 2 } },
    b: { tls: ["psk"] },
  });

  it("count in the bytes, the time with slots and the lower bound", () => {
    const found = plan(hosts({ diskSizes: { data: 5 * GIB } }), ["a"], { policy: { tls: "psk" } });
    expect(found.moves).toMatchObject([{ vm: "a1", bytes: 7 * GIB }, { vm: "a2" }]);
    expect([found.bytes, found.eta.ms, found.lowerBoundMs]).toEqual([9 * GIB, 9_000, 9_000]);
    expect(found.assumptions).toEqual([]);
  });

  it("are assumed to be as big as the plan says where nobody has asked", () => {
    const policy = { tls: "psk" };
    const found = plan(hosts({}), ["a"], { policy, unknownDiskBytes: 3 * GIB });
    expect(found.bytes).toBe(7 * GIB);
    expect(found.assumptions.join()).toContain("The sizes of 1 disks that move with their VMs");
  });

  it("keep a VM where it is with negotiation's reason, and the others go", () => {
    const found = plan(hosts({}), ["a"]);
    expect(targets(found)).toEqual({ a2: "b" });
    expect(codes(found, "a1")).toEqual({ b: ["copy-needs-tls"] });
  });
});

describe("a schedule", () => {
  it("starts the longest first, each when a slot is free at both sides", () => {
    const found = plan({ a: { vms: { a1: 10, a2: 20, a3: 30 } }, b: {}, c: {} }, ["a"]);
    expect(found.moves.map(({ vm, startAtMs }) => [vm, startAtMs])).toEqual([
      ["a3", 0],
      ["a2", 30_000],
      ["a1", 50_000],
    ]);
    expect(found.ratio).toBe(1);
  });

  it("that waits for preparing says what more prepared ahead would do", () => {
    const vms = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`a${index}`, 1]));
    const found = plan({ a: { vms }, b: {} }, ["a"], { prepareMs: 10_000 });
    expect(found.eta.ms).toBe(45_000);
    expect(found.faster[0]?.change).toContain("10 migrations of a host prepared ahead");
    expect(found.faster[0]).toMatchObject({ etaMs: 30_000 });
  });

  it("keeps a tenant's limit and lets the others go", () => {
    const tenants = {
      a1: { gib: 9, tenant: "t" },
      a2: { gib: 8, tenant: "t" },
      a3: { gib: 1, tenant: "u" },
    };
    const found = plan(
      { a: { vms: tenants }, b: {}, c: {}, d: { vms: { d1: { gib: 2, tenant: "t" } } } },
      ["a", "d"],
      { tenantLimits: { t: 1 } },
    );
    const ofT = found.moves.filter(({ vm }) => vm !== "a3");
    expect(Math.max(...overlaps(ofT))).toBe(1);
    expect(found.moves).toHaveLength(4);
  });

  it("lets what is in flight keep its slots, and sends on what arrives", () => {
    const arriving = { gib: 8, inFlight: { target: "a", endsInMs: 5_000, bytesPerSecond: GIB } };
    const found = plan({ a: { vms: { a1: 4 } }, b: { vms: { b1: arriving } }, c: {} }, ["a"]);
    expect(found.moves.map(({ vm, startAtMs, target }) => [vm, startAtMs, target])).toEqual([
      ["a1", 0, expect.any(String)],
      ["b1", 5_000, expect.any(String)],
    ]);
  });

  it("says when a deadline cannot be kept, and when it will not", () => {
    const hosts = { a: { vms: { a1: 10, a2: 20 } }, b: {} };
    expect(plan(hosts, ["a"], { deadlineMs: 30_000 }).inTime).toBe("yes");
    const late = plan(hosts, ["a"], { deadlineMs: 29_999 });
    expect(late.inTime).toBe("impossible");
    expect(late.refusals.map(({ code }) => code)).toEqual(["not-in-time"]);
  });

  it("begins the next host when the canary is empty (case 49)", () => {
    const hosts = {
      a: { vms: { a1: 10, a2: 10 } },
      d: { vms: { d1: 10, d2: 10, d3: 1 } },
      b: {},
      c: {},
    };
    const found = plan(hosts, ["d", "a"], { canaryHosts: 1, hostsAtOnce: 1 });
    expect(found.hosts.map(({ host }) => host)).toEqual(["a", "d"]);
    const first = found.moves.find(({ source }) => source === "d");
    expect(first?.prepareAtMs).toBe(20_000);
  });
});

it("refuses a host that is not in the snapshot, and says which", () => {
  const act = () => planEvacuation(fleet({ a: {} }), options(["z"]));
  expect(act).toThrow("Expected `empty.0` to be a host of the snapshot, got `z`");
});

/** Number of migrations that run at the start of each. */
function overlaps(moves: readonly { startAtMs: number; endAtMs: number }[]): number[] {
  return moves.map(
    ({ startAtMs }) =>
      moves.filter((other) => other.startAtMs <= startAtMs && startAtMs < other.endAtMs).length,
  );
}
