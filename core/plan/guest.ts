import { limitWithin } from "../migration/switchover-plan.ts";
import { withDisksOf } from "../negotiate/copies.ts";
import { DOWNTIME_LIMIT_MS } from "../qemu/parameters.ts";
import { Eligibility } from "./eligibility.ts";
import { estimateMove, type MoveEstimate } from "./estimate.ts";
import type { HostTable } from "./host-table.ts";
import type { PlanOptions } from "./options.ts";
import type { FleetSnapshot, PlanVm } from "./snapshot.ts";

/** A VM with what the planner has worked out about it. Hosts are indexes into the host table. */
export type Guest = {
  readonly vm: PlanVm;
  /** The host that it is moved from. */
  readonly source: number;
  /** Hosts that may take it by everything that no plan changes, in the table's order. */
  readonly candidates: readonly number[];
  readonly downtimeLimitMs: number;
  /** Required groups whose members stand apart, and together. */
  readonly apart: readonly string[];
  readonly together: readonly string[];
  /** Memory is all that it asks of a host beside being a candidate. */
  readonly isPlain: boolean;
  /** It has preferences. */
  readonly hasWishes: boolean;
  /** Host that an earlier plan has chosen. */
  readonly planned: number | undefined;
  /** Its migration at a rate, B/s. */
  readonly estimate: (bytesPerSecond: number) => MoveEstimate;
};

/** Makes guests, with what they have in common worked out once. */
export class Guests {
  readonly eligibility: Eligibility;
  readonly #table: HostTable;
  readonly #options: PlanOptions;
  readonly #candidates = new Map<string, readonly number[]>();

  constructor(snapshot: FleetSnapshot, table: HostTable, options: PlanOptions) {
    this.eligibility = new Eligibility(snapshot, options.policy);
    this.#table = table;
    this.#options = options;
  }

  guestOf(vm: PlanVm, source: number): Guest {
    const required = vm.affinities.filter(({ strength }) => strength === "required");
    const groups = (rule: string) =>
      required.filter((one) => one.rule === rule).map(({ group }) => group);
    const apart = groups("apart");
    const together = groups("together");
    const candidates = this.#candidatesOf(vm, source);
    const downtimeLimitMs = this.#downtimeLimit(vm, source, candidates[0]);
    return {
      vm,
      source,
      candidates,
      downtimeLimitMs,
      apart,
      together,
      isPlain:
        apart.length + together.length + vm.resources.length === 0 && vm.gateGroup === undefined,
      hasWishes:
        required.length < vm.affinities.length || Object.keys(vm.preferredLabels).length > 0,
      planned: vm.plannedTarget && this.#table.find(vm.plannedTarget),
      estimate: this.#estimator(vm, downtimeLimitMs),
    };
  }

  #candidatesOf(vm: PlanVm, source: number): readonly number[] {
    const { rows } = this.#table;
    const { host } = this.#table.row(source);
    const { eligibility } = this;
    const asked = Object.entries(vm.requiredLabels);
    const { resources, sharedResources, refusedBy } = vm;
    const own = JSON.stringify([asked, resources, sharedResources, refusedBy]);
    const key = `${eligibility.guestKey(vm, host)}${own}`;
    const known = this.#candidates.get(key);
    if (known !== undefined) return known;
    const found = [...rows.keys()].filter((index) => {
      const row = this.#table.row(index);
      if (row.blockers.length > 0 || vm.refusedBy.includes(row.host.id)) return false;
      if (!asked.every(([name, value]) => row.host.labels[name] === value)) return false;
      return eligibility.verdict(vm, host, row.host).blockers.length === 0;
    });
    this.#candidates.set(key, found);
    return found;
  }

  #downtimeLimit(vm: PlanVm, source: number, candidate: number | undefined): number {
    const { policy } = this.#options;
    const agreed =
      candidate === undefined
        ? undefined
        : this.eligibility.verdict(
            vm,
            this.#table.row(source).host,
            this.#table.row(candidate).host,
          ).downtimeLimitMs;
    const limitMs = agreed ?? DOWNTIME_LIMIT_MS;
    return limitWithin(policyOf(vm, policy), { loadMs: vm.learned.loadMs ?? 0, limitMs });
  }

  #estimator(vm: PlanVm, downtimeLimitMs: number): Guest["estimate"] {
    const byRate = new Map<number, MoveEstimate>();
    return (streamBytesPerSecond) => {
      const known = byRate.get(streamBytesPerSecond);
      if (known !== undefined) return known;
      const estimate = estimateMove(vm, this.#options, { streamBytesPerSecond, downtimeLimitMs });
      byRate.set(streamBytesPerSecond, estimate);
      return estimate;
    };
  }
}

/**
 * The policy of one VM's migration: its own downtime budget goes before that of the evacuation, and its
 * own rule names the disks that move with it.
 */
export function policyOf(vm: PlanVm, policy: PlanOptions["policy"]): PlanOptions["policy"] {
  const { downtimeBudgetMs } = vm;
  const own = withDisksOf(policy, vm);
  return downtimeBudgetMs === undefined ? own : { ...own, downtimeBudgetMs };
}
