import { describe, expect, it } from "vitest";
import { planEvacuation } from "../../core/plan/plan.ts";
import { readSmallEvacuations, type SmallEvacuation, smallFleet } from "./small-evacuations.ts";
import { median } from "./statistics.ts";

const played = readSmallEvacuations().map((small) => {
  const { snapshot, options } = smallFleet(small);
  return { small, plan: planEvacuation(snapshot, options) };
});
type Played = (typeof played)[number];

describe("small evacuations with a known optimum", () => {
  it.each(played)(
    "$small.shape, seed $small.seed: is placed exactly where it is feasible",
    (one) => {
      expect(one.plan.unplaced.length === 0).toBe(one.small.truth.feasible);
    },
  );

  it.each(played)("$small.shape, seed $small.seed: keeps every limit", (one) => {
    expect(broken(one)).toEqual([]);
  });

  it("end within 2 % of the optimum at the median, and 8 % at the worst", () => {
    const ratios = played.flatMap(({ small, plan }) =>
      small.truth.makespanS === undefined ? [] : [plan.eta.ms / 1000 / small.truth.makespanS],
    );
    expect(median(ratios)).toBeLessThanOrEqual(1.02);
    expect(Math.max(...ratios)).toBeLessThanOrEqual(1.08);
  });

  it("take as long for each VM as the formula says", () => {
    for (const { small, plan } of played) {
      const seconds = new Map(small.vms.map((vm) => [vm.id, vm.seconds]));
      for (const { vm, startAtMs, endAtMs } of plan.moves) {
        expect((endAtMs - startAtMs) / 1000).toBeCloseTo(seconds.get(vm) ?? 0, 1);
      }
    }
  });

  it("are refused with reasons that are true of each host", () => {
    const refused = played.filter(({ small }) => !small.truth.feasible);
    expect(refused.length).toBeGreaterThan(0);
    for (const one of refused) expect(falseReasons(one)).toEqual([]);
  });
});

/** Limits that a plan exceeds, worked out from the case alone. */
function broken({ small, plan }: Played): string[] {
  const found: string[] = [];
  const vms = new Map(small.vms.map((vm) => [vm.id, vm]));
  for (const host of small.hosts) {
    const slots = Math.max(1, Math.floor(host.linkGbit / small.streamGbit));
    const arrivals = plan.moves.filter(({ target }) => target === host.id);
    const leaving = plan.moves.filter(({ source }) => source === host.id);
    for (const moves of [arrivals, leaving]) {
      const most = Math.max(
        0,
        ...moves.map(
          ({ startAtMs: at }) =>
            moves.filter(({ startAtMs, endAtMs }) => startAtMs <= at && at < endAtMs).length,
        ),
      );
      if (most > slots) found.push(`${host.id}: ${most} at once`);
    }
    if (host.leaves && arrivals.length > 0) found.push(`${host.id}: takes guests`);
    const guests = arrivals.flatMap(({ vm }) => vms.get(vm) ?? []);
    const gib = guests.reduce((sum, { memoryGiB }) => sum + memoryGiB, 0);
    if (!host.leaves && gib > host.memoryGiB - host.usedGiB) found.push(`${host.id}: ${gib} GiB`);
    const groups = guests.flatMap(({ antiAffinity }) => antiAffinity ?? []);
    if (new Set(groups).size < groups.length) found.push(`${host.id}: two of a group`);
    if (guests.some((vm) => vm.minCpuGeneration > host.cpuGeneration))
      found.push(`${host.id}: CPU`);
  }
  return found;
}

/** Reasons that the case does not bear out, and hosts without a reason. */
function falseReasons({ small, plan }: Played): string[] {
  return plan.unplaced.flatMap(({ vm: id, host: at, explanation }) => {
    const vm = small.vms.find((one) => one.id === id);
    if (vm === undefined) return [`${id}: unknown`];
    const reasons = new Map(
      (plan.explanations[explanation]?.reasons ?? []).flatMap(({ hosts: ids, blockers }) =>
        ids.map((host) => [host as string, blockers.map(({ code }) => code)] as const),
      ),
    );
    return small.hosts
      .filter((host) => host.id !== at)
      .filter((host) => {
        const codes = reasons.get(host.id)?.toSorted() ?? [];
        return codes.join() !== trueReasons(small, plan, vm, host).toSorted().join();
      })
      .map((host) => `${id} on ${host.id}: ${reasons.get(host.id)?.join()}`);
  });
}

function trueReasons(
  small: SmallEvacuation,
  plan: Played["plan"],
  vm: SmallEvacuation["vms"][number],
  host: SmallEvacuation["hosts"][number],
): string[] {
  const found: string[] = [];
  if (host.leaves) found.push("host-being-emptied");
  if (vm.minCpuGeneration > host.cpuGeneration) found.push("cpu-model-unavailable");
  const arrivals = plan.moves
    .filter(({ target }) => target === host.id)
    .flatMap((move) => small.vms.find(({ id }) => id === move.vm) ?? []);
  if (arrivals.some((other) => vm.antiAffinity && other.antiAffinity === vm.antiAffinity)) {
    found.push("anti-affinity");
  }
  if (host.leaves) return found;
  const freeGiB = host.memoryGiB - host.usedGiB;
  const givenGiB = arrivals.reduce((sum, { memoryGiB }) => sum + memoryGiB, 0);
  if (vm.memoryGiB > freeGiB) found.push("memory-short");
  else if (vm.memoryGiB > freeGiB - givenGiB) found.push("memory-given-in-plan");
  return found;
}
