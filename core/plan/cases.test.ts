import { describe, expect, it } from "vitest";
import { Execution } from "./execution.ts";
import type { Move } from "./move.ts";
import { draftPlan, executionInput } from "./plan.ts";
import { apart, codes, explanation, fleet, GIB, options, plan, targets } from "./testing/fleet.ts";

/**
 * Acceptance cases of evacuations, by number, as far as a plan alone decides them: cases 4 and 12
 * are in gate-groups.test.ts and return-plan.test.ts, cases 9, 10, 14, 32, 35, 36, 38, 46 and 49 in
 * plan.test.ts, the others here. What a case calls by another name:
 */
const names = {
  arriving: "isArriving",
  givenInPlan: "memory-given-in-plan",
  silent: "host-silent",
} as const;

/** 1 GiB/min: a guest of n GiB takes n minutes. */
const slow = { linkOutBytesPerSecond: GIB / 60, linkInBytesPerSecond: GIB / 60 };

describe("case 1: anti-affinity is a claim", () => {
  it("a member that is on its way to a host keeps another one from there", () => {
    const inFlight = { target: "c", endsInMs: 5_000, bytesPerSecond: GIB };
    const found = plan(
      {
        a: { vms: { a1: { gib: 8, ...apart("x") } } },
        b: { vms: { b1: { gib: 8, ...apart("x"), inFlight } } },
        c: {},
        d: { used: 60 },
      },
      ["a"],
    );
    expect(codes(found, "a1")).toMatchObject({ c: ["anti-affinity"], d: ["memory-short"] });
    const { reasons = [] } = explanation(found, "a1") ?? {};
    const claim = reasons.find(({ hosts }) => hosts.some((host) => host === "c"));
    expect(claim?.blockers[0]?.message).toContain("b1 of the group x is there or on its way");
  });
});

describe("case 5: a host is evacuated while VMs are on their way to it", () => {
  const inFlight = { target: "b", endsInMs: 18_000, bytesPerSecond: GIB };
  const hosts = {
    a: { state: "draining", vms: { a1: { gib: 30, inFlight }, a2: 20 } },
    b: {},
    c: { used: 10 },
  };

  it("lists what arrives as a second move, and not what has not started", () => {
    const found = plan(hosts, ["b"]);
    expect(found.moves).toMatchObject([
      { vm: "a1", source: "b", target: "c", [names.arriving]: true, isSecondMove: true },
    ]);
    expect(found.moves[0]?.prepareAtMs).toBe(18_000);
    expect(found.hosts).toMatchObject([{ host: "b", emptiedAtMs: 48_000 }]);
    expect([found.movesPerVm, found.secondMoves]).toEqual([2, ["a1"]]);
    expect(found.warnings.join()).toContain("a1: is on its way to a host that is emptied");
  });

  it("counts a host as emptied when what is in flight has left it", () => {
    const found = plan({ ...hosts, d: {} }, ["a"]);
    expect(found.hosts).toMatchObject([{ host: "a", moves: 1, emptiedAtMs: 38_000 }]);
    expect(plan({ ...hosts, a: { vms: { a1: { gib: 30, inFlight } } } }, ["a"])).toMatchObject({
      moves: [],
      eta: { ms: 18_000 },
      lowerBoundMs: 18_000,
    });
  });
});

describe("case 14: what never fits the window", () => {
  it("stays with the cures, and the others go", () => {
    const memoryBytes = 256 * GIB;
    const found = plan(
      { a: { memoryBytes, ...slow, vms: { a1: 70, a2: 20 } }, b: { memoryBytes, ...slow } },
      ["a"],
      { windowMs: 3_600_000 },
    );
    expect(found.unplaced[0]?.blockers[0]).toMatchObject({
      code: "window-too-short",
      message: "Its migration takes 4200 s, and the window is 3600 s long",
    });
    expect(found.moves).toMatchObject([{ vm: "a2", endAtMs: 1_200_000 }]);
  });
});

describe("windows over which a plan is spread", () => {
  const window = (startMin: number, endMin: number) => ({
    startMs: startMin * 60_000,
    endMs: endMin * 60_000,
  });
  const minutes = ({ moves }: ReturnType<typeof plan>) =>
    moves.map(({ vm, startAtMs, endAtMs }) => [vm, startAtMs / 60_000, endAtMs / 60_000]);
  const memoryBytes = 256 * GIB;
  const hosts = (vms: Record<string, number>) => ({
    a: { memoryBytes, ...slow, vms },
    b: { memoryBytes, ...slow },
  });

  it("case 3: nothing starts that would not end in its window", () => {
    const choice = { windows: [window(0, 25), window(100, 125)] };
    const found = plan(hosts({ a1: 10, a2: 10, a3: 10, a4: 10 }), ["a"], choice);
    expect(minutes(found)).toEqual([
      ["a1", 0, 10],
      ["a2", 10, 20],
      ["a3", 100, 110],
      ["a4", 110, 120],
    ]);
    expect(found.eta.ms).toBe(120 * 60_000);
    expect(found.beyondWindows).toEqual([]);
  });

  it("a shorter one goes where the longest no longer fits, and the window's very end is in time", () => {
    const choice = { windows: [window(0, 40), window(100, 140)] };
    const found = plan(hosts({ a1: 30, a2: 20, a3: 10 }), ["a"], choice);
    expect(minutes(found)).toEqual([
      ["a1", 0, 30],
      ["a3", 30, 40],
      ["a2", 100, 120],
    ]);
  });

  it("nothing is prepared that could not start in the window", () => {
    const choice = { windows: [window(0, 25), window(100, 125)], prepareMs: 10 * 60_000 };
    const found = plan(hosts({ a1: 10, a2: 10 }), ["a"], choice);
    expect(found.moves.map(({ prepareAtMs }) => prepareAtMs / 60_000)).toEqual([0, 0]);
    expect(minutes(found)).toEqual([
      ["a1", 10, 20],
      ["a2", 100, 110],
    ]);
  });

  it("names the VMs whose turn does not come", () => {
    const found = plan(hosts({ a1: 10, a2: 10, a3: 10 }), ["a"], { windows: [window(0, 25)] });
    expect(found.beyondWindows).toEqual(["a3"]);
    expect(found.warnings).toContain("a3: its turn does not come in 1 windows");
    expect(found.hosts[0]).not.toHaveProperty("emptiedAtMs");
  });

  it("case 14: what fits no window stays, and the others go", () => {
    const found = plan(hosts({ a1: 70, a2: 20 }), ["a"], { windows: [window(0, 60)] });
    expect(found.unplaced[0]?.blockers[0]?.code).toBe("window-too-short");
    expect(minutes(found)).toEqual([["a2", 0, 20]]);
  });
});

describe("case 19: capacity appears later", () => {
  const vms = { a1: 40, a2: 40 };
  const cordons = [{ owner: "ops" }];

  it("names the uncordon that would help, and keeps the first target when it has happened", () => {
    const before = plan({ a: { vms }, b: { used: 24 }, c: { cordons } }, ["a"]);
    const [first] = before.moves;
    const left = before.unplaced[0]?.vm ?? "";
    expect(codes(before, left)).toEqual({ b: [names.givenInPlan], c: ["cordoned"] });
    expect(explanation(before, left)?.cures.join()).toContain("Uncordon c");
    const kept = { ...vms, [first?.vm ?? ""]: { gib: 40, plannedTarget: first?.target } };
    const after = plan({ a: { vms: kept }, b: { used: 24 }, c: {} }, ["a"]);
    expect(targets(after)).toEqual({ [first?.vm ?? ""]: "b", [left]: "c" });
  });
});

describe("case 21: an unrelated host is silent", () => {
  it("changes nothing but its own reasons, N+1 included", () => {
    const lost = Object.fromEntries(["z1", "z2", "z3", "z4", "z5"].map((id) => [id, 12]));
    const hosts = {
      a: {
        cpuModels: ["two", "three"],
        vms: { a1: 30, a2: 30, a9: { gib: 8, cpuModel: "three" } },
      },
      b: { cpuModels: ["two"] },
      c: { cpuModels: ["two"] },
      z: { state: "silent", stateSince: "2026-11-30T08:50:00Z", vms: lost },
    };
    const found = plan(hosts, ["a"], { keepNPlusOne: true });
    expect(Object.keys(targets(found)).toSorted()).toEqual(["a1", "a2"]);
    expect(Object.values(targets(found))).not.toContain("z");
    expect(found.nPlusOne).toMatchObject({ isKept: true });
    expect(codes(found, "a9").z).toContain(names.silent);
  });
});

describe("case 39: what the VM needs, not where it is", () => {
  const generation = (number: number) =>
    Array.from({ length: number }, (_, index) => `g${index + 1}`);
  const old = { qemu: "10.0", cpuModels: generation(2) };
  const renewed = { qemu: "11.1", cpuModels: generation(3) };
  const b1 = { gib: 8, cpuModel: "g2", machineType: "pc-i440fx-10.0" };
  const b2 = { gib: 8, cpuModel: "g3", machineType: "pc-i440fx-10.0" };

  it("an old VM may go to old and renewed hosts, a new one to renewed ones", () => {
    const found = plan({ a: renewed, b: { ...old, vms: { b1 } }, c: old }, ["b", "c"]);
    expect(targets(found)).toEqual({ b1: "a" });
    const away = plan(
      { a: { ...renewed, used: 60 }, b: old, c: old, d: { ...renewed, vms: { b2 } } },
      ["d"],
    );
    expect(codes(away, "b2")).toEqual({
      a: ["memory-short"],
      b: ["cpu-features-missing"],
      c: ["cpu-features-missing"],
    });
  });

  it("says in the plan which VM cannot come back, by negotiation", () => {
    const hosts = (host: object) => ({
      a: renewed,
      b: { ...old, ...host, vms: { b1: { gib: 8, cpuModel: "g2" } } },
    });
    expect(plan(hosts({}), ["b"]).warnings).toEqual([]);
    const found = plan(hosts({ cannotListen: "no address" }), ["b"]);
    expect(targets(found)).toEqual({ b1: "a" });
    expect(found.warnings.join()).toContain("b1 cannot come back: ");
  });
});

describe("case 45: the control plane's own guest", () => {
  const cp = { gib: 8, runsControlPlane: true };
  const memoryBytes = 128 * GIB;

  it("moves alone: nothing else is prepared or sent meanwhile", () => {
    const found = plan(
      {
        a: { memoryBytes, vms: { cp, a1: 20, a2: 10 } },
        d: { vms: { d1: 30, d2: 4 } },
        b: { memoryBytes },
        c: {},
      },
      ["a", "d"],
      { prepareMs: 2_000 },
    );
    expect(found.moves).toHaveLength(5);
    const own = found.moves.find(({ vm }) => vm === "cp");
    for (const other of found.moves.filter((move) => move !== own)) {
      const isBefore = other.endAtMs <= (own?.prepareAtMs ?? 0);
      expect(isBefore || other.prepareAtMs >= (own?.endAtMs ?? 0)).toBe(true);
    }
    expect(found.warnings.join()).toContain("cp: the control plane runs in it");
  });

  it("waits for what is in flight from elsewhere, and others wait for it when it fails", () => {
    const inFlight = { target: "c", endsInMs: 7_000, bytesPerSecond: GIB };
    const hosts = { a: { vms: { cp } }, b: {}, c: {}, d: { vms: { d1: { gib: 8, inFlight } } } };
    expect(plan(hosts, ["a"]).moves).toMatchObject([{ vm: "cp", prepareAtMs: 7_000 }]);
    const draft = draftPlan(fleet({ a: { vms: { cp, a1: 4 } }, b: {} }), options(["a"]));
    const execution = new Execution(executionInput(draft));
    const seen: string[] = [];
    let isFailed = false;
    for (let step = 0; step < 20 && seen.length < 3; step += 1) {
      const { prepare, start } = execution.next();
      expect(prepare.length + start.length).toBeLessThanOrEqual(1);
      for (const move of prepare) execution.prepared(move);
      for (const move of start) {
        seen.push(move.guest.vm.id);
        if (move.guest.vm.runsControlPlane && !isFailed) {
          isFailed = true;
          execution.failed(move);
        } else execution.ended(move);
      }
    }
    expect(seen).toEqual(["a1", "cp", "cp"]);
  });
});

describe("case 46: a single migration of somebody else", () => {
  it("has its slot in, so that never two streams go to one", () => {
    const hosts = {
      a: { vms: { a1: 16, a2: 16 } },
      b: {},
      x: { cordons: [{ owner: "ops" }], vms: { x1: 16 } },
    };
    const input = executionInput(draftPlan(fleet(hosts), options(["a"])));
    const foreign = { source: 2, target: 1, endsInMs: 10_000, vm: "x1" };
    const execution = new Execution({ ...input, held: [foreign] });
    const first: Move[] = [];
    const begin = () => {
      const { prepare, start } = execution.next();
      for (const move of prepare) execution.prepared(move);
      first.push(...start);
      return start.length;
    };
    expect([begin(), begin()]).toEqual([0, 0]);
    execution.released(foreign);
    expect([begin(), begin()]).toEqual([1, 0]);
  });
});

describe("case 49: the next host waits for the canary", () => {
  it("while a VM of it is tried again", () => {
    const two = (id: string) => ({ vms: { [`${id}1`]: 10, [`${id}2`]: 10 } });
    const hosts = { a: two("a"), d: two("d"), e: two("e"), b: {}, c: {} };
    const choice = options(["a", "d", "e"], { canaryHosts: 1, ramp: [1], hostsAtOnce: 2 });
    const draft = draftPlan(fleet(hosts), choice);
    const execution = new Execution(executionInput(draft));
    /** Lets the targets that are asked for be ready at once. */
    const step = () => {
      const { prepare, start } = execution.next();
      for (const move of prepare) execution.prepared(move);
      const then = execution.next();
      return {
        sources: new Set([...prepare, ...then.prepare].map(({ source }) => source)),
        started: [...start, ...then.start].at(0),
      };
    };
    const canary = new Set([0]);
    const first = step();
    expect(first.sources).toEqual(canary);
    if (first.started === undefined) throw new Error("Expected the first migration to start");
    execution.ended(first.started);
    const { started: second } = step();
    if (second === undefined) throw new Error("Expected the second migration to start");
    execution.failed(second);
    const retry = step();
    expect([retry.sources, retry.started]).toEqual([canary, second]);
    execution.ended(second);
    expect(step().sources).toEqual(new Set([1]));
  });
});
