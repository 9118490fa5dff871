import { qemuProbe } from "../../negotiate/testing/probes.ts";
import type { CpuModels } from "../../protocol/host-cpu.ts";
import { PlanOptions } from "../options.ts";
import { planEvacuation } from "../plan.ts";
import type { Plan } from "../plan-result.ts";
import { FleetSnapshot } from "../snapshot.ts";

export const GIB = 2 ** 30;

type Fields = Record<string, unknown>;
/** A number is memory in GiB. */
type VmShort = number | (Fields & { gib: number });
type HostShort = Fields & {
  used?: number;
  cpuModels?: readonly string[];
  vms?: Record<string, VmShort>;
};

/** Of a host that has every feature of these models, and of all others one too few. */
export function cpuModels(whole: readonly string[], all: readonly string[]): CpuModels {
  const models = [...new Set(["qemu64", ...whole, ...all])];
  const isWhole = (model: string) => model === "qemu64" || whole.includes(model);
  return {
    features: [],
    lacking: models.map((model) => `of-${model}`),
    models: Object.fromEntries(
      models.map((model, index) => [model, isWhole(model) ? [] : [index]] as const),
    ),
  };
}

/**
 * Hosts of 64 GiB whose links and streams have 1 GiB/s, so one slot; QEMU 10.0; guests that write
 * nothing; nothing to prepare. So a migration of n GiB takes n seconds. `cpuModels` of a host: the models
 * of which it has every feature.
 */
export function fleet(hosts: Record<string, HostShort>): FleetSnapshot {
  const vms = Object.entries(hosts).flatMap(([host, { vms: guests = {} }]) =>
    Object.entries(guests).map(([id, vm]) => {
      const { gib, ...rest } = typeof vm === "number" ? { gib: vm } : vm;
      return {
        id,
        host,
        memoryBytes: gib * GIB,
        machineType: "pc-i440fx-10.0",
        learned: { dirtyBytesPerSecond: 0, workingSetBytes: 0 },
        ...rest,
      };
    }),
  );
  const models = new Set(vms.flatMap(({ cpuModel }: Fields) => (cpuModel as string) ?? []));
  return FleetSnapshot.parse({
    cpuModels: Object.fromEntries(
      Object.entries(hosts).flatMap(([id, { cpuModels: whole }]) =>
        whole === undefined ? [] : [[id, cpuModels(whole, [...models])]],
      ),
    ),
    qemus: { "7.2": qemuProbe("7.2"), "10.0": qemuProbe("10.0"), "11.1": qemuProbe("11.1") },
    hosts: Object.entries(hosts).map(([id, { used = 0, vms: _, cpuModels: known, ...rest }]) => ({
      id,
      state: "active",
      memoryBytes: 64 * GIB,
      heldBytes: used * GIB,
      qemu: "10.0",
      linkOutBytesPerSecond: GIB,
      linkInBytesPerSecond: GIB,
      ...(known && { cpuModels: { tcg: id, kvm: id } }),
      ...rest,
    })),
    vms,
  });
}

export function options(empty: readonly string[], rest: Fields = {}): PlanOptions {
  return PlanOptions.parse({ empty, streamBytesPerSecond: GIB, prepareMs: 0, ...rest });
}

export function plan(
  hosts: Record<string, HostShort>,
  empty: readonly string[],
  rest: Fields = {},
): Plan {
  return planEvacuation(fleet(hosts), options(empty, rest));
}

/** VM → target. */
export function targets({ moves }: Plan): Record<string, string> {
  return Object.fromEntries(moves.map(({ vm, target }) => [vm, target]));
}

/** Why one VM has no place. */
export function explanation({ unplaced, explanations }: Plan, vm: string) {
  const found = unplaced.find((one) => one.vm === vm);
  return found === undefined ? undefined : explanations[found.explanation];
}

/** Codes of the reasons of one VM, by host but its own, sorted. */
export function codes(found: Plan, vm: string): Record<string, string[]> {
  const own = found.unplaced.find((one) => one.vm === vm)?.host;
  const all = Object.fromEntries(
    (explanation(found, vm)?.reasons ?? []).flatMap(({ hosts, blockers }) =>
      hosts.map((host) => [host as string, blockers.map(({ code }) => code).toSorted()] as const),
    ),
  );
  if (own !== undefined) delete all[own];
  return all;
}

export const apart = (group: string, strength = "required") => ({
  affinities: [{ group, rule: "apart", strength }],
});
