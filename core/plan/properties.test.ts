import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planEvacuation } from "./plan.ts";
import type { Plan } from "./plan-result.ts";
import type { FleetSnapshot } from "./snapshot.ts";
import { fleet, GIB, options } from "./testing/fleet.ts";

/** The same runs each time; a failure prints what it has shrunk to. */
const runs = { seed: 4_711, numRuns: 150 };

const vm = fc.record({
  gib: fc.integer({ min: 1, max: 24 }),
  cpuModel: fc.constantFrom("one", "two"),
  tenant: fc.constantFrom("t", "u"),
  group: fc.constantFrom("x", "y", undefined),
  resources: fc.constantFrom([], [], ["gpu0"]),
  dirty: fc.integer({ min: 0, max: 1_000 }),
  pinned: fc.constantFrom(false, false, false, true),
  gateGroup: fc.constantFrom(undefined, undefined, undefined, "g", "h"),
  runsControlPlane: fc.constantFrom(false, false, false, false, false, true),
});

const host = fc.record({
  used: fc.integer({ min: 0, max: 60 }),
  gbit: fc.constantFrom(1, 10, 25),
  cpuModels: fc.constantFrom(["one"], ["one", "two"]),
  resources: fc.constantFrom([], ["gpu0"]),
  state: fc.constantFrom("active", "active", "active", "silent"),
  isCordoned: fc.constantFrom(false, false, false, true),
});

const drawn = fc.record({
  hosts: fc.array(host, { minLength: 2, maxLength: 7 }),
  vms: fc.array(vm, { minLength: 1, maxLength: 12 }),
  leaving: fc.integer({ min: 1, max: 3 }),
  streamGbit: fc.constantFrom(1, 4, 10),
  more: fc.constantFrom<Record<string, unknown>>(
    {},
    { tenantLimits: { t: 1 } },
    { hostsAtOnce: 1, canaryHosts: 1 },
    { keepFreeShare: 0.1 },
    { prepareAhead: 1 },
    { hostsAtOnce: 1, returnAfterMs: 5_000 },
    { hostsAtOnce: 2, returnAfterMs: 5_000, prepareMs: 2_000 },
  ),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function build({ hosts, vms, leaving, streamGbit, more }: Drawn) {
  const empty = Array.from(
    { length: Math.min(leaving, hosts.length - 1) },
    (_, index) => `h${index}`,
  );
  const entries = hosts.map(({ used, gbit, state, isCordoned, ...rest }, index) => {
    const isEmptied = index < empty.length;
    const guests = vms
      .filter((_, number) => number % empty.length === index)
      .map(({ gib, group, dirty, pinned, gateGroup, runsControlPlane, ...facts }, number) => [
        `v${index}-${number}`,
        {
          gib,
          ...facts,
          ...(runsControlPlane ? { runsControlPlane } : { gateGroup }),
          learned: { dirtyBytesPerSecond: dirty * 2 ** 20, workingSetBytes: GIB / 4 },
          affinities:
            group === undefined ? [] : [{ group, rule: group === "x" ? "apart" : "together" }],
          ...(pinned ? { pinned: { by: "ops" } } : {}),
        },
      ]);
    return [
      `h${index}`,
      {
        ...rest,
        used: isEmptied ? 0 : used,
        cpuModels: isEmptied ? ["one", "two"] : rest.cpuModels,
        state: isEmptied ? "active" : state,
        memoryBytes: isEmptied ? 512 * GIB : 64 * GIB,
        cordons: isCordoned && !isEmptied ? [{ owner: "ops" }] : [],
        linkOutBytesPerSecond: gbit * 1.25e8,
        linkInBytesPerSecond: gbit * 1.25e8,
        vms: isEmptied ? Object.fromEntries(guests) : {},
      },
    ];
  });
  return {
    snapshot: fleet(Object.fromEntries(entries)),
    choice: options(empty, { streamBytesPerSecond: streamGbit * 1.25e8, ...more }),
  };
}

describe("of any drawn fleet, a plan", () => {
  it("is the same each time", () => {
    fc.assert(
      fc.property(drawn, (input) => {
        const { snapshot, choice } = build(input);
        const again = structuredClone(snapshot);
        expect(planEvacuation(again, choice)).toEqual(planEvacuation(snapshot, choice));
      }),
      runs,
    );
  });

  it("gives every VM of an emptied host one move, or none and a reason for every other host", () => {
    fc.assert(
      fc.property(drawn, (input) => {
        const { snapshot, choice } = build(input);
        const plan = planEvacuation(snapshot, choice);
        const once = plan.moves.filter(({ isSecondMove }) => !isSecondMove).map(({ vm: id }) => id);
        expect(new Set(once).size).toBe(once.length);
        if (choice.returnAfterMs === undefined) expect(plan.moves).toHaveLength(once.length);
        const left = plan.unplaced.map(({ vm: id }) => id);
        const all = snapshot.vms.filter(({ host: at }) => choice.empty.includes(at));
        const seen = [...once, ...left.filter((id) => !once.includes(id))];
        expect(seen.toSorted()).toEqual(all.map(({ id }) => id).toSorted());
        for (const { explanation, blockers } of plan.unplaced) {
          const { reasons = [], fitting = [] } = plan.explanations[explanation] ?? {};
          const named = [...reasons.flatMap((group) => group.hosts), ...fitting];
          expect(named.toSorted()).toEqual(snapshot.hosts.map(({ id }) => id).toSorted());
          expect(reasons.every((group) => group.blockers.length > 0)).toBe(true);
          if (fitting.length > 0) expect(blockers).not.toEqual([]);
        }
      }),
      runs,
    );
  });

  it("exceeds no limit of slots, links, memory or tenants at any time", () => {
    fc.assert(
      fc.property(drawn, (input) => {
        const { snapshot, choice } = build(input);
        const plan = planEvacuation(snapshot, choice);
        const stream = choice.streamBytesPerSecond;
        for (const one of snapshot.hosts) {
          const link = one.linkInBytesPerSecond ?? 0;
          const slots = Math.max(1, Math.floor(link / stream + 1e-6));
          for (const moves of [
            plan.moves.filter(({ source }) => source === one.id),
            plan.moves.filter(({ target }) => target === one.id),
          ]) {
            expect(peak(moves, () => 1)).toBeLessThanOrEqual(slots);
            expect(peak(moves, (move) => move.bytesPerSecond)).toBeLessThanOrEqual(link * 1.000001);
          }
          const limit = one.memoryBytes * (1 - choice.keepFreeShare);
          if (!choice.empty.includes(one.id)) {
            expect(one.heldBytes + arrived(plan, snapshot, one.id)).toBeLessThanOrEqual(
              Math.max(limit, one.heldBytes),
            );
          }
        }
        const ofT = new Set(
          snapshot.vms.filter(({ tenant }) => tenant === "t").map(({ id }) => id),
        );
        const limit = choice.tenantLimits.t ?? Number.POSITIVE_INFINITY;
        expect(
          peak(
            plan.moves.filter(({ vm: id }) => ofT.has(id)),
            () => 1,
          ),
        ).toBeLessThanOrEqual(limit);
      }),
      runs,
    );
  });

  it("keeps every required rule, and sends nothing where nothing may go", () => {
    fc.assert(
      fc.property(drawn, (input) => {
        const { snapshot, choice } = build(input);
        const plan = planEvacuation(snapshot, choice);
        const places = new Map<string, string>(snapshot.vms.map(({ id, host: at }) => [id, at]));
        for (const { vm: id, target } of plan.moves) places.set(id, target);
        const hosts = new Map(snapshot.hosts.map((one) => [one.id as string, one]));
        const vms = new Map(snapshot.vms.map((one) => [one.id as string, one]));
        for (const { vm: id, target } of plan.moves) {
          const to = hosts.get(target);
          const moved = vms.get(id);
          expect([to?.state, to?.cordons.length]).toEqual(["active", 0]);
          const models = snapshot.cpuModels[to?.cpuModels.kvm ?? ""]?.models;
          expect(models?.[moved?.cpuModel ?? ""]).toEqual([]);
          for (const name of moved?.resources ?? []) expect(to?.resources).toContain(name);
          for (const { group, rule } of moved?.affinities ?? []) {
            const others = snapshot.vms.filter(
              (other) => other.id !== id && other.affinities.some((one) => one.group === group),
            );
            // Those that were together are together again.
            const found = others
              .filter((other) => rule === "apart" || other.host === moved?.host)
              .map((other) => places.get(other.id));
            if (rule === "apart") expect(found).not.toContain(places.get(id));
            else expect(new Set([...found, places.get(id)]).size).toBe(1);
          }
        }
      }),
      runs,
    );
  });

  it("starts a gate group together or not at all, and the control plane's VM alone", () => {
    fc.assert(
      fc.property(drawn, (input) => {
        const { snapshot, choice } = build(input);
        const plan = planEvacuation(snapshot, choice);
        const vms = new Map(snapshot.vms.map((one) => [one.id as string, one]));
        for (const [group, moves] of Map.groupBy(plan.moves, (one) => vms.get(one.vm)?.gateGroup)) {
          if (group === undefined || choice.returnAfterMs !== undefined) continue;
          const all = snapshot.vms.filter(({ gateGroup }) => gateGroup === group);
          expect(moves).toHaveLength(all.length);
          expect(new Set(moves.map(({ startAtMs }) => startAtMs)).size).toBe(1);
          expect(new Set(moves.map(({ endAtMs }) => endAtMs)).size).toBe(1);
        }
        for (const one of plan.moves.filter(({ vm: id }) => vms.get(id)?.runsControlPlane)) {
          const beside = plan.moves.filter(
            (other) =>
              other !== one && other.prepareAtMs < one.endAtMs && other.endAtMs > one.prepareAtMs,
          );
          expect(beside).toEqual([]);
        }
      }),
      runs,
    );
  });

  it("is predicted to end no earlier than its lower bound", () => {
    fc.assert(
      fc.property(drawn, (input) => {
        const { snapshot, choice } = build(input);
        const { eta, lowerBoundMs, moves } = planEvacuation(snapshot, choice);
        if (moves.length > 0) expect(eta.ms).toBeGreaterThanOrEqual(lowerBoundMs * 0.999999);
        expect(eta.lowMs).toBeLessThanOrEqual(eta.ms);
        expect(eta.highMs).toBeGreaterThanOrEqual(eta.ms);
      }),
      runs,
    );
  });
});

type Timed = Plan["moves"][number];

/** The most of something that moves use at one time. */
function peak(moves: readonly Timed[], amount: (move: Timed) => number): number {
  return moves.reduce((most, { startAtMs }) => {
    const now = moves.filter((one) => one.startAtMs <= startAtMs && startAtMs < one.endAtMs);
    return Math.max(
      most,
      now.reduce((sum, move) => sum + amount(move), 0),
    );
  }, 0);
}

/** Memory of all that ever comes to a host outside the plan: nothing goes from there. */
function arrived(plan: Plan, { vms }: FleetSnapshot, host: string): number {
  const here = new Set(plan.moves.filter(({ target }) => target === host).map(({ vm: id }) => id));
  return vms.filter(({ id }) => here.has(id)).reduce((sum, one) => sum + one.memoryBytes, 0);
}
