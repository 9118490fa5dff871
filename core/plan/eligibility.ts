import { diskImageOf } from "../definition/disk-image.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import { withDisksOf } from "../negotiate/copies.ts";
import { negotiate } from "../negotiate/negotiate.ts";
import type { RuledDefinition } from "../negotiate/sides.ts";
import type { QemuProbe, SourceProbe, TargetProbe } from "../protocol/probe.ts";
import type { PlanOptions } from "./options.ts";
import { potentialMemory, sizeRules } from "./potential-memory.ts";
import type { FleetSnapshot, PlanHost, PlanVm } from "./snapshot.ts";

/** The verdict of negotiation about a guest and a host, less what a plan changes: memory. */
export type Verdict = {
  readonly blockers: readonly Blocker[];
  /** The agreed downtime limit, ms; undefined: QEMU's default, or there is no agreement. */
  readonly downtimeLimitMs: number | undefined;
};

/**
 * Which guests may go to which hosts, by negotiation itself: its own function is called with a pair
 * of probes made from the snapshot. Guests and hosts that are alike in all that negotiation reads
 * share a verdict, so a fleet of 10,000 guests on 1,000 hosts needs a few dozen of them.
 */
export class Eligibility {
  readonly #known: Pick<FleetSnapshot, "qemus" | "cpuModels">;
  readonly #isSizeRuled: ReturnType<typeof sizeRules>;
  readonly #policy: PlanOptions["policy"];
  readonly #verdicts = new Map<string, Verdict>();
  readonly #guestKeys = new Map<PlanVm, string>();
  readonly #sourceKeys = new Map<PlanHost, string>();
  readonly #hostKeys = new Map<PlanHost, string>();

  constructor(
    known: Pick<FleetSnapshot, "qemus" | "cpuModels" | "hosts">,
    policy: PlanOptions["policy"],
  ) {
    this.#known = known;
    this.#isSizeRuled = sizeRules(known.hosts);
    this.#policy = policy;
  }

  verdict(vm: PlanVm, source: PlanHost, target: PlanHost): Verdict {
    const needed = vm.resources.concat(vm.sharedResources);
    const missing = needed.filter((name) => !target.resources.includes(name));
    const key = `${this.guestKey(vm, source)}>${this.hostKey(target)}>${missing.join()}`;
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = this.#negotiate(vm, source, target, missing);
    this.#verdicts.set(key, verdict);
    return verdict;
  }

  /** Guests with the same key get the same verdicts, but for host resources. */
  guestKey(vm: PlanVm, source: PlanHost): string {
    return `${this.#ownKey(vm)}@${this.#sourceKey(source)}`;
  }

  #ownKey(vm: PlanVm): string {
    const known = this.#guestKeys.get(vm);
    if (known !== undefined) return known;
    const { machine, machineType, cpuModel, accelerator, runState, dirtyRing } = vm;
    const { globals, blockers, jobs, vfioDevices, devices, objects } = vm;
    const size = this.#isSizeRuled(vm) ? vm.memoryBytes : undefined;
    const key = JSON.stringify([
      [machine, machineType, cpuModel, accelerator, runState, dirtyRing],
      [globals, blockers, jobs, vfioDevices, devices, objects, size],
      [vm.storage, vm.blockdevs, vm.diskSizes],
    ]);
    this.#guestKeys.set(vm, key);
    return key;
  }

  #sourceKey(source: PlanHost): string {
    const known = this.#sourceKeys.get(source);
    if (known !== undefined) return known;
    const { qemu, hooks, tls, host, cpuModels } = source;
    const key = JSON.stringify([qemu, hooks, tls, host, cpuModels]);
    this.#sourceKeys.set(source, key);
    return key;
  }

  /** Hosts with the same key get the same verdicts, but for host resources. */
  hostKey(host: PlanHost): string {
    const known = this.#hostKeys.get(host);
    if (known !== undefined) return known;
    const {
      qemu,
      accelerators,
      host: cpu,
      cpuModels,
      userfaultfd,
      tls,
      cannotListen,
      memory,
    } = host;
    const parts = [qemu, accelerators, cpu, cpuModels, userfaultfd, tls, cannotListen, memory];
    const key = JSON.stringify(parts);
    this.#hostKeys.set(host, key);
    return key;
  }

  #negotiate(vm: PlanVm, source: PlanHost, target: PlanHost, missing: string[]): Verdict {
    const result = negotiate({
      source: { ...sourceProbe(vm, source, this.#qemuOf(source)), ...this.#cpuOf(source, vm) },
      target: {
        ...targetProbe(target, this.#qemuOf(target), missing),
        ...placesOf(vm),
        ...this.#cpuOf(target, vm),
        ...(target.memory && { memory: potentialMemory(target.memory, vm.objects) }),
      },
      definition: definitionOf(vm),
      policy: withDisksOf(this.#policy, vm),
    });
    if (!result.agreed) return { blockers: result.blockers, downtimeLimitMs: undefined };
    const limit = result.agreement.source.parameters["downtime-limit"];
    return { blockers: [], downtimeLimitMs: typeof limit === "number" ? limit : undefined };
  }

  #cpuOf({ host, cpuModels }: PlanHost, { accelerator }: PlanVm) {
    const models = this.#known.cpuModels[cpuModels[accelerator] ?? ""];
    return { ...(host && { host }), ...(models && { cpuModels: models }) };
  }

  #qemuOf(host: PlanHost): QemuProbe {
    const qemu = this.#known.qemus[host.qemu];
    if (qemu === undefined) throw new RangeError(`Expected \`qemus\` to have \`${host.qemu}\``);
    return qemu;
  }
}

function definitionOf(vm: PlanVm): RuledDefinition {
  const { accelerator, memoryBytes, cpus, cpuModel, devices, objects, globals } = vm;
  return {
    machine: vm.machine ?? vm.machineType,
    accelerator,
    memoryBytes,
    cpus,
    cpuModel,
    blockdevs: (vm.blockdevs ?? []) as RuledDefinition["blockdevs"],
    devices: devices as RuledDefinition["devices"],
    objects: objects as RuledDefinition["objects"],
    globals,
  };
}

/** As the source's agent would answer, of a guest that runs as its definition says. */
function sourceProbe(vm: PlanVm, host: PlanHost, qemu: QemuProbe): SourceProbe {
  const { machineType, accelerator, dirtyRing, runState, memoryBytes, cpuModel } = vm;
  const { vfioDevices, blockers } = vm;
  const isCpu = ({ driver }: Record<string, unknown>) => `${driver}`.endsWith("-cpu");
  return {
    qemu,
    machineType,
    accelerator,
    dirtyRing,
    runState,
    migrationStatus: "none",
    memoryBytes,
    cpus: vm.cpus + vm.devices.filter(isCpu).length,
    ...(cpuModel === undefined ? {} : { cpuModel }),
    vfioDevices,
    blockers,
    ...(vm.jobs === undefined ? {} : { jobs: vm.jobs }),
    ...(host.hooks === undefined ? {} : { hooks: host.hooks }),
    ...(host.tls === undefined ? {} : { tls: host.tls }),
    ...disksOf(vm),
  };
}

/**
 * The disks that move with it, as the definition has them: one image each, not encrypted, without
 * bitmaps. The migration itself asks QEMU.
 */
function disksOf(vm: PlanVm): Pick<SourceProbe, "disks"> {
  if (vm.storage === undefined) return {};
  const disks = Object.keys(vm.storage).flatMap((disk) => {
    const image = diskImageOf(definitionOf(vm), disk);
    if ("problem" in image) return [];
    const sizeBytes = vm.diskSizes?.[disk] ?? 0;
    const rest = { path: "", sizeBytes, isReadOnly: false, isEncrypted: false, bitmaps: [] };
    return [{ node: disk, drivers: [image.format, "file"], ...rest }];
  });
  return { disks };
}

function placesOf({ storage }: PlanVm): Pick<TargetProbe, "copies"> {
  if (storage === undefined) return {};
  return { copies: Object.keys(storage).map((disk) => ({ disk, path: "" })) };
}

/** As the target's agent would answer if it had all memory that a guest could need. */
function targetProbe(host: PlanHost, qemu: QemuProbe, missingResources: string[]): TargetProbe {
  const { accelerators, userfaultfd } = host;
  return {
    qemu,
    memoryFreeBytes: Number.MAX_SAFE_INTEGER,
    accelerators,
    vmPresent: false,
    userfaultfd,
    missingResources,
    ...(host.cannotListen === undefined ? {} : { cannotListen: host.cannotListen }),
    ...(host.tls === undefined ? {} : { tls: host.tls }),
  };
}
