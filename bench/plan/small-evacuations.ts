import { readFileSync } from "node:fs";
import * as z from "zod";
import { PlanOptions } from "../../core/plan/options.ts";
import { FleetSnapshot } from "../../core/plan/snapshot.ts";
import { MACHINE, qemuBuild } from "./qemu-build.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** B/s in one Gbit/s. */
const GBIT = 1.25e8;

/** A small fleet with what a constraint solver found: placement and start times together. */
const SmallEvacuation = z.object({
  seed: z.number(),
  shape: z.string(),
  streamGbit: z.number(),
  prepareS: z.number(),
  downtimeLimitS: z.number(),
  hosts: z.array(
    z.object({
      id: z.string(),
      leaves: z.boolean(),
      memoryGiB: z.number(),
      linkGbit: z.number(),
      cpuGeneration: z.number(),
      usedGiB: z.number(),
    }),
  ),
  vms: z.array(
    z.object({
      id: z.string(),
      host: z.string(),
      memoryGiB: z.number(),
      dirtyMiBs: z.number(),
      workingSetGiB: z.number(),
      minCpuGeneration: z.number(),
      antiAffinity: z.string().nullish(),
      /** Time that its migration keeps a slot busy. */
      seconds: z.number(),
    }),
  ),
  truth: z.object({ feasible: z.boolean(), makespanS: z.number().optional() }),
});
export type SmallEvacuation = z.infer<typeof SmallEvacuation>;

export function readSmallEvacuations(): SmallEvacuation[] {
  const text = readFileSync(new URL("./small-evacuations.json", import.meta.url), "utf8");
  return z.array(SmallEvacuation).parse(JSON.parse(text));
}

const generation = (number: number) => `generation-${number}`;

/** Of a host of each generation: it has the features of its own and of those before. */
function cpuModels(newest: number) {
  const all = Array.from({ length: newest }, (_, index) => generation(index + 1));
  const of = (own: number) => ({
    features: [],
    lacking: all,
    models: Object.fromEntries(
      all.map((model, index) => [model, all.map((_, at) => at).slice(own + 1, index + 1)]),
    ),
  });
  return Object.fromEntries(all.map((name, own) => [name, of(own)]));
}

/** Of a host that leaves, the VMs of the list are the guests; the used memory of others is held. */
export function smallFleet(small: SmallEvacuation): {
  snapshot: FleetSnapshot;
  options: PlanOptions;
} {
  const hosts = small.hosts.map(({ id, leaves, memoryGiB, linkGbit, cpuGeneration, usedGiB }) => ({
    id,
    state: "active",
    memoryBytes: memoryGiB * GIB,
    heldBytes: leaves ? 0 : usedGiB * GIB,
    qemu: "10.0",
    cpuModels: { kvm: generation(cpuGeneration) },
    linkOutBytesPerSecond: linkGbit * GBIT,
    linkInBytesPerSecond: linkGbit * GBIT,
  }));
  const vms = small.vms.map((vm) => ({
    id: vm.id,
    host: vm.host,
    memoryBytes: vm.memoryGiB * GIB,
    machineType: MACHINE,
    cpuModel: generation(vm.minCpuGeneration),
    learned: {
      dirtyBytesPerSecond: vm.dirtyMiBs * MIB,
      workingSetBytes: Math.round(vm.workingSetGiB * GIB),
    },
    affinities: vm.antiAffinity ? [{ group: vm.antiAffinity, rule: "apart" }] : [],
  }));
  return {
    snapshot: FleetSnapshot.parse({
      qemus: { "10.0": qemuBuild() },
      cpuModels: cpuModels(Math.max(...small.hosts.map(({ cpuGeneration }) => cpuGeneration))),
      hosts,
      vms,
    }),
    options: PlanOptions.parse({
      empty: small.hosts.filter(({ leaves }) => leaves).map(({ id }) => id),
      streamBytesPerSecond: small.streamGbit * GBIT,
      prepareMs: small.prepareS * 1000,
      policy: { downtimeLimitMs: small.downtimeLimitS * 1000 },
    }),
  };
}
