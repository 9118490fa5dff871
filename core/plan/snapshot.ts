import * as z from "zod";
import { ResourceName } from "../host-resources.ts";
import { HostId, VmId } from "../id.ts";
import { Labels } from "../labels.ts";
import { CpuModels, HostCpu } from "../protocol/host-cpu.ts";
import { HostMemoryFacts } from "../protocol/host-memory.ts";
import { QemuProbe, SourceProbe, TargetProbe, TlsKind, VfioDevice } from "../protocol/probe.ts";
import { DiskSizes, DiskWays } from "../storage-copy/copied-disk.ts";
import { LearnedFigures } from "../vm-learned.ts";
import { Affinity, Pin } from "../vm-rules.ts";

/** What one plan takes, so what one control plane should have. */
export const FLEET_HOSTS_MAX = 10_000;
export const FLEET_VMS_MAX = 100_000;

const bytes = z.int().nonnegative();
const rate = z.number().positive();

/** Somebody's wish that no guest comes to a host. */
export const Cordon = z.strictObject({
  owner: z.string(),
  message: z.string().optional(),
  since: z.iso.datetime().optional(),
});
export type Cordon = z.infer<typeof Cordon>;

/** A host as the planner sees it. */
export const PlanHost = z.strictObject({
  id: HostId,
  /** Only `active` hosts take guests. */
  state: z.enum(["active", "joining", "draining", "maintenance", "retiring", "silent"]),
  /** Since when it is in that state. */
  stateSince: z.iso.datetime().optional(),
  cordons: z.array(Cordon).default([]),
  /** Memory for guests. */
  memoryBytes: bytes,
  /** Of it, what is held for others than the snapshot's VMs, e.g. by admitted migrations. */
  heldBytes: bytes.default(0),
  /** Key of the host's QEMU in `qemus`. */
  qemu: z.string(),
  accelerators: z.array(z.enum(["tcg", "kvm"])).default(["kvm", "tcg"]),
  /** Its kernel and processor; absent: not known, as in a probe. */
  host: HostCpu.optional(),
  /** Keys in `cpuModels` of the snapshot, by accelerator; absent: not known. */
  cpuModels: z.strictObject({ tcg: z.string().optional(), kvm: z.string().optional() }).default({}),
  /** Names of the host resources in its agent's configuration. */
  resources: z.array(ResourceName).default([]),
  /** What its memory is made of; absent: not known, and taken to be enough of each kind. */
  memory: HostMemoryFacts.optional(),
  userfaultfd: z.boolean().default(true),
  /** Why it cannot listen for a migration, as its agent said last. */
  cannotListen: TargetProbe.shape.cannotListen,
  tls: z.array(TlsKind).optional(),
  hooks: z.array(z.enum(["preSwitchover"])).optional(),
  /** Speed of its link to the migration network, B/s; absent: not known. */
  linkOutBytesPerSecond: rate.optional(),
  linkInBytesPerSecond: rate.optional(),
  /** Limits that an operator has set; without them the link's speed decides (slots.ts). */
  slotsOut: z.int().min(1).max(64).optional(),
  slotsIn: z.int().min(1).max(64).optional(),
  labels: Labels.default({}),
});
export type PlanHost = z.infer<typeof PlanHost>;

/** What earlier migrations of a VM have shown; `firstPassBytes` is absent: all its memory. */
export const Learned = z.strictObject({
  ...LearnedFigures.shape,
  /** Where that comes from, for people: `vm web1, 3 migrations`. */
  from: z.string().optional(),
  /** Age of the newest of these figures, ms. */
  ageMs: z.number().nonnegative().optional(),
});
export type Learned = z.infer<typeof Learned>;

/** A VM as the planner sees it. */
export const PlanVm = z.strictObject({
  id: VmId,
  /** Where it runs. */
  host: HostId,
  /** A migration of it is in flight: it holds memory and a slot at both sides until it ends. */
  inFlight: z
    .strictObject({ target: HostId, endsInMs: z.number().nonnegative(), bytesPerSecond: rate })
    .optional(),
  /** Hosts that have refused it when a migration to them was negotiated. */
  refusedBy: z.array(HostId).max(100).default([]),
  /** Where the plan before this one sends it: kept where that is possible still. */
  plannedTarget: HostId.optional(),
  tenant: z.string().optional(),
  labels: Labels.default({}),
  memoryBytes: bytes,
  cpus: z.int().positive().default(1),
  cpuModel: z.string().optional(),
  accelerator: z.enum(["tcg", "kvm"]).default("kvm"),
  /** The resolved machine type, e.g. `pc-q35-10.0`. */
  machineType: z.string(),
  /** The machine type as its definition names it; absent: the same. */
  machine: z.string().optional(),
  runState: z.string().default("running"),
  dirtyRing: z.boolean().default(false),
  vfioDevices: z.array(VfioDevice).default([]),
  /** Of its definition: the devices that negotiation's rules read (VFIO, memory, CPUs, guest agent). */
  devices: z.array(z.record(z.string(), z.json())).default([]),
  /** Of its definition: the memory backends. */
  objects: z.array(z.record(z.string(), z.json())).default([]),
  globals: z.array(z.string()).default([]),
  /** Disks that move with it, and the block nodes of its definition that they consist of. */
  storage: DiskWays.optional(),
  blockdevs: z.array(z.record(z.string(), z.json())).optional(),
  /** How big they are, as far as that is known. */
  diskSizes: DiskSizes.optional(),
  /** Host resources that its definition names, and that serve one guest at a time. */
  resources: z.array(ResourceName).default([]),
  /** Others that it names, such as a bridge: its host must have them. */
  sharedResources: z.array(ResourceName).default([]),
  /** QEMU's `blocked-reasons`, as last seen. */
  blockers: z.array(z.string()).default([]),
  /** Block jobs that run, as last seen. */
  jobs: SourceProbe.shape.jobs,
  learned: Learned.default({}),
  /** VMs of a group switch over together: each is held at its gate until all of them are there. */
  gateGroup: z.string().min(1).max(63).optional(),
  /** The control plane runs in it: nothing else is underway while it moves. */
  runsControlPlane: z.boolean().default(false),
  /** Longest downtime allowed, ms; absent: the policy's. */
  downtimeBudgetMs: z.int().min(1).optional(),
  affinities: z.array(Affinity).default([]),
  /** Labels that its host must have, or should. */
  requiredLabels: Labels.default({}),
  preferredLabels: Labels.default({}),
  pinned: Pin.optional(),
});
export type PlanVm = z.infer<typeof PlanVm>;

/** Everything that a plan depends on: the same snapshot and options give the same plan. */
export const FleetSnapshot = z
  .strictObject({
    /** Each QEMU build that the hosts have, by the key that they name. */
    qemus: z.record(z.string(), QemuProbe),
    /** What guests' CPUs can be, by the keys that the hosts name: equal hosts share one. */
    cpuModels: z.record(z.string(), CpuModels).default({}),
    hosts: z.array(PlanHost).max(FLEET_HOSTS_MAX),
    vms: z.array(PlanVm).max(FLEET_VMS_MAX),
  })
  .superRefine((snapshot, context) => {
    for (const { path, message } of contradictions(snapshot)) {
      context.addIssue({ code: "custom", path, message });
    }
  });
export type FleetSnapshot = z.infer<typeof FleetSnapshot>;

type Contradiction = { path: (string | number)[]; message: string };

/** What no single host or VM shows: ids that are listed twice, or name nothing of the snapshot. */
function contradictions(snapshot: {
  qemus: Record<string, unknown>;
  cpuModels: Record<string, unknown>;
  hosts: readonly PlanHost[];
  vms: readonly PlanVm[];
}): Contradiction[] {
  const found: Contradiction[] = [];
  const hosts = new Set<string>();
  for (const [index, { id, qemu, cpuModels }] of snapshot.hosts.entries()) {
    if (hosts.has(id)) found.push({ path: ["hosts", index], message: "listed twice" });
    hosts.add(id);
    if (!Object.hasOwn(snapshot.qemus, qemu)) {
      const message = `expected a key of \`qemus\`, got \`${qemu}\``;
      found.push({ path: ["hosts", index, "qemu"], message });
    }
    for (const [accelerator, name] of Object.entries(cpuModels)) {
      if (name === undefined || Object.hasOwn(snapshot.cpuModels, name)) continue;
      const message = `expected a key of \`cpuModels\`, got \`${name}\``;
      found.push({ path: ["hosts", index, "cpuModels", accelerator], message });
    }
  }
  const vms = new Set<string>();
  const rules = new Map<string, string>();
  for (const [index, vm] of snapshot.vms.entries()) {
    const { id, host, inFlight, affinities } = vm;
    const path = ["vms", index];
    if (vm.runsControlPlane && vm.gateGroup !== undefined) {
      const message = "expected no `gateGroup` of the control plane's VM, which moves alone";
      found.push({ path, message });
    }
    if (vms.has(id)) found.push({ path, message: "listed twice" });
    vms.add(id);
    for (const named of [host, inFlight?.target]) {
      if (named === undefined || hosts.has(named)) continue;
      found.push({ path, message: `expected a host of the snapshot, got \`${named}\`` });
    }
    for (const { group, rule } of affinities) {
      const known = rules.get(group) ?? rule;
      rules.set(group, known);
      if (known === rule) continue;
      const message = `expected the rule \`${known}\` of the group ${group}, got \`${rule}\``;
      found.push({ path: [...path, "affinities"], message });
    }
  }
  return found;
}
