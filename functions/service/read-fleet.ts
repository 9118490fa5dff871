import { createHash } from "node:crypto";
import { isGuestAgentPort } from "../../core/definition/guest-agent.ts";
import { isMemoryBackend } from "../../core/definition/memory-backend.ts";
import { type HostState, hostStateOf, stateSinceOf } from "../../core/host/host-state.ts";
import { resourcesOf } from "../../core/host-resources.ts";
import type { HostId, MigrationId } from "../../core/id.ts";
import {
  FLEET_HOSTS_MAX,
  FLEET_VMS_MAX,
  type FleetSnapshot,
  type PlanHost,
  type PlanVm,
} from "../../core/plan/snapshot.ts";
import { assumedRate } from "../../core/plan/stream-rate.ts";
import type { CpuModels } from "../../core/protocol/host-cpu.ts";
import type { QemuProbe } from "../../core/protocol/probe.ts";
import { Problem } from "../http/problem.ts";
import {
  FleetTooLarge,
  type HostWithFacts,
  readAllHosts,
  readAllVms,
  readUnderWay,
  type UnderWay,
} from "../store/fleet.ts";
import { readTenantLimits } from "../store/tenants.ts";
import { hasEnded, type StoredVm } from "../store/vms.ts";

export type Fleet = {
  snapshot: FleetSnapshot;
  /** Hosts of which nothing is known yet, as their agents have not registered. */
  joining: HostId[];
  /** Migrations of a tenant at once, of those that have a limit. */
  tenantLimits: Record<string, number>;
};

/**
 * Reads the fleet for the planner: every host that has registered, and every VM that has a process.
 * The records are read one after the other, not at one moment: whoever carries a plan out takes slots
 * and memory by conditional writes.
 *
 * @throws Problem fleet-too-large
 */
export async function readFleet(): Promise<Fleet> {
  const nowMs = Date.now();
  const vms = (await limited(() => readAllVms(FLEET_VMS_MAX, (vm) => toKnown(vm, nowMs)))).filter(
    (vm) => vm !== undefined,
  );
  const locks = vms.flatMap(({ lockedBy }) => lockedBy ?? []);
  const underWay = new Map((await readUnderWay(locks)).map((one) => [one.id, one]));
  const named = new Set(vms.map(({ plan }) => plan.host));
  for (const { target } of underWay.values()) named.add(target);
  // After the VMs: so the host of each VM is among them.
  const hosts = await limited(() => readAllHosts(FLEET_HOSTS_MAX, named));
  const known = hosts.filter(({ host, facts }) => facts !== undefined && host.state !== "retired");
  const rates = new Map(known.map((one) => [one.host.id, linksOf(one)]));
  const placed = vms
    .toSorted((one, other) => (one.plan.id < other.plan.id ? -1 : 1))
    .map(({ plan, lockedBy, state }) => withMigration(plan, underWayOf(lockedBy, state), rates));
  const held = heldBytes(placed);
  const seen: Seen = { qemus: new Map(), cpuModels: new Map() };
  const snapshot: FleetSnapshot = {
    hosts: known.map((one) => toPlanHost(one, seen, held)),
    vms: placed,
    qemus: Object.fromEntries(seen.qemus),
    cpuModels: Object.fromEntries(seen.cpuModels),
  };
  const joining = hosts.filter(({ host }) => host.state === "joining").map(({ host }) => host.id);
  const tenants = new Set(placed.flatMap(({ tenant }) => tenant ?? []));
  return { snapshot, joining, tenantLimits: await readTenantLimits(tenants) };

  function underWayOf(lockedBy: MigrationId | undefined, state: StoredVm["state"]) {
    return lockedBy === undefined || state === "unknown" ? undefined : underWay.get(lockedBy);
  }
}

async function limited<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FleetTooLarge) throw new Problem("fleet-too-large", error.message);
    throw error;
  }
}

type KnownVm = { plan: PlanVm; lockedBy: MigrationId | undefined; state: StoredVm["state"] };

/** Undefined for a VM without a process: it holds no memory, and there is nothing to move. */
function toKnown(vm: StoredVm, nowMs: number): KnownVm | undefined {
  if (hasEnded(vm)) return undefined;
  return { plan: toPlanVm(vm, nowMs), lockedBy: vm.lockedBy, state: vm.state };
}

/** Parts of a definition that negotiation reads: VFIO devices, memory and CPUs that are devices. */
const ruledDevice = /^vfio-|dimm|^virtio-p?mem|-cpu$/;

function toPlanVm(vm: StoredVm, nowMs: number): PlanVm {
  const { definition } = vm;
  const { accelerator, memoryBytes, cpus, cpuModel, globals, machine } = definition;
  const vfio = definition.devices.filter(({ driver }) => /^vfio-/.test(String(driver)));
  // A device serves one guest at a time; a bridge, a folder or a file may serve many.
  const own = resourceNames(vfio);
  const { affinities = [], requiredLabels = {}, preferredLabels = {}, tenant, pinned } = vm;
  const ring = Number(definition.acceleratorOptions?.["dirty-ring-size"] ?? 0);
  return {
    id: vm.id,
    host: vm.host,
    labels: vm.labels ?? {},
    ...(tenant === undefined ? {} : { tenant }),
    memoryBytes,
    cpus,
    ...(cpuModel === undefined ? {} : { cpuModel }),
    accelerator,
    // As its host started it: with the machine type resolved.
    machineType: machine,
    runState: runStateOf(vm),
    dirtyRing: accelerator === "kvm" && ring > 0,
    vfioDevices: vfio.map((device) => ({
      id: String(device.id ?? device.driver),
      type: String(device.driver),
      properties: scalarsOf(device),
    })),
    devices: definition.devices.filter(
      (device) => ruledDevice.test(String(device.driver)) || isGuestAgentPort(device),
    ),
    objects: definition.objects.filter(isMemoryBackend),
    globals,
    ...diskFacts(vm),
    resources: own,
    sharedResources: resourceNames(definition).filter((name) => !own.includes(name)),
    blockers: [],
    learned: learnedOf(vm, nowMs),
    affinities,
    runsControlPlane: vm.runsControlPlane ?? false,
    requiredLabels,
    preferredLabels,
    ...(pinned === undefined ? {} : { pinned }),
    refusedBy: [],
  };
}

/** Disks that move with it, with their block nodes alone: thousands of VMs have other ones. */
function diskFacts({ storage, definition, diskSizes }: StoredVm): Partial<PlanVm> {
  if (storage === undefined || Object.keys(storage).length === 0) return {};
  const named = definition.blockdevs.filter((node) => String(node["node-name"]) in storage);
  const files = new Set(named.map(({ file }) => file));
  const below = definition.blockdevs.filter((node) => files.has(node["node-name"]));
  const blockdevs = [...named, ...below] as NonNullable<PlanVm["blockdevs"]>;
  return { storage, blockdevs, ...(diskSizes === undefined ? {} : { diskSizes }) };
}

function learnedOf({ id, learned }: StoredVm, nowMs: number): PlanVm["learned"] {
  if (learned === undefined) return {};
  const { migration, at, ...figures } = learned;
  const ageMs = Math.max(0, nowMs - Date.parse(at));
  return { ...figures, from: `vm ${id}, ${migration}`, ageMs };
}

/** Its definition's properties; what QEMU adds to them is known when it is probed. */
function scalarsOf(device: Record<string, unknown>) {
  const isScalar = (value: unknown): value is string | number | boolean =>
    ["string", "number", "boolean"].includes(typeof value);
  return Object.fromEntries(
    Object.entries(device).flatMap(([name, value]) => (isScalar(value) ? [[name, value]] : [])),
  );
}

function resourceNames(definition: unknown) {
  return [...new Set(resourcesOf(definition).map(({ $host }) => $host))];
}

/**
 * The run state that a probe would find. A guest that starts, or that a migration holds, will run;
 * where nobody knows, negotiation refuses it.
 */
function runStateOf({ state, runState }: StoredVm): string {
  if (state === "starting" || state === "migrating") return "running";
  return state === "unknown" ? "unknown" : (runState ?? state);
}

type Links = { out: number | undefined; in: number | undefined };

/** Speeds of a host's link, B/s: an operator's word, or else its agent's. */
function linksOf({ host, facts }: HostWithFacts): Links {
  const reported = facts?.linkBytesPerSecond;
  return {
    out: host.linkOutBytesPerSecond ?? reported,
    in: host.linkInBytesPerSecond ?? reported,
  };
}

function withMigration(
  vm: PlanVm,
  migration: UnderWay | undefined,
  rates: ReadonlyMap<HostId, Links>,
): PlanVm {
  if (migration?.status !== "running") return vm;
  const { target, slots, progress } = migration;
  // It waits for its turn: it holds nothing yet.
  if (slots !== "held" && slots !== "preparing") return { ...vm, plannedTarget: target };
  const links = [rates.get(vm.host)?.out, rates.get(target)?.in];
  const slower = assumedRate(links);
  const measured = progress?.bandwidthBytesPerSecond ?? 0;
  const bytesPerSecond = measured > 0 ? measured : slower;
  const leftBytes =
    (progress?.ramRemainingBytes ?? vm.memoryBytes) + (progress?.diskRemainingBytes ?? 0);
  return {
    ...vm,
    inFlight: { target, endsInMs: Math.ceil((leftBytes / bytesPerSecond) * 1_000), bytesPerSecond },
  };
}

/** Memory of the snapshot's VMs by host, bytes: of those in flight on both sides. */
function heldBytes(vms: readonly PlanVm[]): Map<HostId, number> {
  const held = new Map<HostId, number>();
  for (const { host, inFlight, memoryBytes } of vms) {
    for (const id of [host, inFlight?.target]) {
      if (id !== undefined) held.set(id, (held.get(id) ?? 0) + memoryBytes);
    }
  }
  return held;
}

const planStates: Readonly<Record<HostState, PlanHost["state"]>> = {
  joining: "joining",
  active: "active",
  // The planner reads the cordons beside the state.
  cordoned: "active",
  draining: "draining",
  silent: "silent",
  maintenance: "maintenance",
  retiring: "retiring",
  retired: "retiring",
};

/** What hosts share: they have the keys of it. */
type Seen = { qemus: Map<string, QemuProbe>; cpuModels: Map<string, CpuModels> };

function toPlanHost(
  one: HostWithFacts,
  { qemus, cpuModels }: Seen,
  held: ReadonlyMap<HostId, number>,
): PlanHost {
  const { host, facts } = one;
  if (facts === undefined) throw new Error(`Expected ${host.id} to have registered`);
  const links = linksOf(one);
  const since = stateSinceOf(host);
  const { accelerators = ["tcg", "kvm"], resources = [], userfaultfd = true } = facts;
  const { tcg, kvm } = facts.cpuModels ?? {};
  const { kernel, cpu, clocksource, scalesTsc } = facts;
  return {
    id: host.id,
    state: planStates[hostStateOf(host)],
    ...(since === undefined ? {} : { stateSince: since }),
    cordons: host.cordons.map(({ owner, message, since }) => ({ owner, message, since })),
    memoryBytes: host.memoryBytes ?? facts.memoryBytes,
    heldBytes: Math.max(0, host.reservedBytes - (held.get(host.id) ?? 0)),
    qemu: nameQemu(facts.qemu, qemus),
    host: {
      ...(kernel === undefined ? {} : { kernel }),
      ...(cpu === undefined ? {} : { cpu }),
      ...(clocksource === undefined ? {} : { clocksource }),
      ...(scalesTsc === undefined ? {} : { scalesTsc }),
    },
    cpuModels: {
      ...(tcg && { tcg: nameModels(tcg, cpuModels) }),
      ...(kvm && { kvm: nameModels(kvm, cpuModels) }),
    },
    accelerators,
    resources,
    userfaultfd,
    ...(facts.memory === undefined ? {} : { memory: facts.memory }),
    ...(facts.cannotListen === undefined ? {} : { cannotListen: facts.cannotListen }),
    ...(facts.tls === undefined ? {} : { tls: facts.tls }),
    ...(facts.hooks === undefined ? {} : { hooks: facts.hooks }),
    ...(links.out === undefined ? {} : { linkOutBytesPerSecond: links.out }),
    ...(links.in === undefined ? {} : { linkInBytesPerSecond: links.in }),
    slotsOut: host.slotsOut,
    slotsIn: host.slotsIn,
    labels: host.labels,
  };
}

/** The key of a QEMU among those seen so far: hosts with the same build share one. */
function nameQemu(probe: QemuProbe, qemus: Map<string, QemuProbe>): string {
  // The same build has another path or time of change on each host.
  const { binary: _, ...build } = probe;
  const hash = hashOf(build);
  const { major, minor, micro } = probe.version;
  const name = `${major}.${minor}.${micro}-${hash}`;
  if (!qemus.has(name)) qemus.set(name, probe);
  return name;
}

function nameModels(models: CpuModels, seen: Map<string, CpuModels>): string {
  const name = hashOf(models);
  if (!seen.has(name)) seen.set(name, models);
  return name;
}

function hashOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12);
}
