import { PlanOptions } from "../../core/plan/options.ts";
import { type Random, random } from "../../core/plan/random.ts";
import { FleetSnapshot } from "../../core/plan/snapshot.ts";
import { MACHINE, qemuBuild } from "./qemu-build.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const smallSizesGib = [2, 4, 8] as const;
const mixedSizesGib = [2, 4, 8, 16, 32, 64] as const;
/** B/s in one Gbit/s. */
export const GBIT = 1.25e8;

/** A kind of fleet. */
export type Shape = {
  readonly name: string;
  readonly hosts: number;
  /** Of them, how many are emptied. */
  readonly leaving: number;
  readonly vmsPerHost: number;
  readonly mix: "small" | "mixed" | "giant";
  readonly linkGbit: number;
  readonly streamGbit: number;
  /** Memory that the targets have beyond what arrives: 1.05 is tight, 3 is loose. */
  readonly room: number;
  /** Shortest and longest predicted time to prepare a migration, ms. */
  readonly prepareMs: readonly [number, number];
  readonly options?: Record<string, unknown>;
  /** What breaks while it runs. */
  readonly faults?: "vms" | "host";
};

/** By the link's speed and that of one stream; a target has three times the room it needs, or 5 % more. */
export const shapes: readonly Shape[] = [
  shape("1 host, many small, 25/12.5 Gbit/s", { hosts: 12, leaving: 1, vmsPerHost: 60 }),
  shape("4 hosts, many small, 10/10 Gbit/s", { linkGbit: 10, streamGbit: 10 }),
  shape("4 hosts, many small, 10/25 Gbit/s", { linkGbit: 10, streamGbit: 25 }),
  shape("4 hosts, many small, 25/25 Gbit/s", { streamGbit: 25 }),
  shape("4 hosts, many small, quick to prepare, 25/25 Gbit/s", {
    streamGbit: 25,
    prepareMs: [500, 2_500],
  }),
  shape("4 hosts, many small, 12 prepared ahead, 25/25 Gbit/s", {
    streamGbit: 25,
    options: { prepareAhead: 12 },
  }),
  shape("8 hosts, heavy writers, 25/25 Gbit/s", {
    hosts: 32,
    leaving: 8,
    mix: "mixed",
    streamGbit: 25,
  }),
  shape("4 hosts, mixed, 25/8 Gbit/s", { mix: "mixed", streamGbit: 8 }),
  shape("4 hosts, mixed, tight, 25/25 Gbit/s", { mix: "mixed", streamGbit: 25, room: 1.05 }),
  shape("4 hosts, one giant, 100/25 Gbit/s", { mix: "giant", linkGbit: 100, streamGbit: 25 }),
  shape("100 of 1,000 hosts, mixed, 100/25 Gbit/s", {
    hosts: 1_000,
    leaving: 100,
    vmsPerHost: 20,
    mix: "mixed",
    linkGbit: 100,
    streamGbit: 25,
  }),
  shape("24 hosts rolling, 2 at once, 25/25 Gbit/s", {
    hosts: 28,
    leaving: 24,
    vmsPerHost: 20,
    streamGbit: 25,
    options: { hostsAtOnce: 2, returnAfterMs: 60_000 },
  }),
  shape("4 hosts, many small, VMs fail, 25/25 Gbit/s", { streamGbit: 25, faults: "vms" }),
  shape("4 hosts, many small, a target dies, 25/25 Gbit/s", { streamGbit: 25, faults: "host" }),
];

function shape(name: string, rest: Partial<Shape>): Shape {
  return {
    name,
    hosts: 16,
    leaving: 4,
    vmsPerHost: 40,
    mix: "small",
    linkGbit: 25,
    streamGbit: 12.5,
    room: 3,
    prepareMs: [1_500, 5_000],
    ...rest,
  };
}

export type DrawnFleet = { readonly snapshot: FleetSnapshot; readonly options: PlanOptions };

/** A fleet of a shape; the same for the same seed. */
export function drawFleet(shape: Shape, seed: number): DrawnFleet {
  const draw = random(seed);
  const hostIds = Array.from({ length: shape.hosts }, (_, index) => `host-${index}`);
  const emptied = hostIds.slice(0, shape.leaving);
  const isRolling = shape.options?.returnAfterMs !== undefined;
  const vms = emptied.flatMap((host, index) =>
    Array.from({ length: shape.vmsPerHost }, (_, number) =>
      drawVm(draw, shape, { host, index, number }),
    ),
  );
  const bytes = vms.reduce((sum, vm) => sum + vm.memoryBytes, 0);
  const largest = vms.reduce((most, vm) => Math.max(most, vm.memoryBytes), 0);
  const targets = shape.hosts - shape.leaving;
  const perHost = isRolling ? bytes / shape.leaving : bytes / targets;
  const capacity = Math.ceil(Math.max(perHost * shape.room, largest * 1.5) / GIB) * GIB;
  const hosts = hostIds.map((id) => ({
    id,
    state: "active",
    memoryBytes: Math.max(capacity, ...(emptied.includes(id) ? [usedBy(vms, id)] : [])),
    qemu: "10.0",
    linkOutBytesPerSecond: shape.linkGbit * GBIT,
    linkInBytesPerSecond: shape.linkGbit * GBIT,
  }));
  return {
    snapshot: FleetSnapshot.parse({ qemus: { "10.0": qemuBuild() }, hosts, vms }),
    options: PlanOptions.parse({
      empty: emptied,
      streamBytesPerSecond: shape.streamGbit * GBIT,
      ...shape.options,
    }),
  };
}

function usedBy(vms: readonly { host: string; memoryBytes: number }[], id: string): number {
  return vms.filter(({ host }) => host === id).reduce((sum, vm) => sum + vm.memoryBytes, 0);
}

function drawVm(
  draw: Random,
  { mix, prepareMs }: Shape,
  { host, index, number }: { host: string; index: number; number: number },
) {
  const isGiant = mix === "giant" && index === 0 && number === 0;
  const isHeavy = mix === "mixed" && draw.next() < 0.1;
  const sizes = mix === "mixed" ? mixedSizesGib : smallSizesGib;
  const memoryGib = isGiant ? 512 : draw.pick(sizes);
  const memoryBytes = memoryGib * GIB;
  const dirtyMib = isHeavy || isGiant ? draw.between(200, 600) : 15 * Math.exp(draw.normal());
  const share = isHeavy || isGiant ? draw.between(0.05, 0.2) : draw.between(0.01, 0.1);
  const hasDevices = draw.next() < 0.1;
  return {
    id: `vm-${index}-${number}`,
    host,
    memoryBytes,
    machineType: MACHINE,
    learned: {
      dirtyBytesPerSecond: dirtyMib * MIB,
      workingSetBytes: Math.round(memoryBytes * share),
      firstPassBytes: Math.round(memoryBytes * draw.between(0.4, 1)),
      prepareMs: draw.between(...prepareMs),
      loadMs: hasDevices ? draw.between(50, 800) : 0,
      from: "earlier migrations",
    },
  };
}
