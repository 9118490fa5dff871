import { proxmoxRevision } from "../definition/machine.ts";
import type { MachineType, QemuVersion } from "../protocol/probe.ts";
import { isAtLeast, type QemuRelease, versionText } from "../qemu/version.ts";
import type { Blocker } from "./agreement.ts";
import type { BothSides } from "./sides.ts";
import { vfioBlockers } from "./vfio.ts";

/** Differences between the machine at the source and the one that the target would build. */
export function machineBlockers(sides: BothSides): Blocker[] {
  const { source, target, definition } = sides;
  const found: Blocker[] = [];
  if (source.qemu.architecture !== target.qemu.architecture) {
    found.push({
      code: "architecture-differs",
      field: "target.qemu.architecture",
      message: `The guest is ${source.qemu.architecture}, and the target's QEMU is ${target.qemu.architecture}`,
      cure: "Choose a host with the guest's architecture",
    });
  } else if (findMachine(target.qemu.machines, source.machineType) === undefined) {
    found.push(machineUnknown(sides));
  } else if (proxmoxRevision(definition.machine) !== "" && !isProxmox(target.qemu.version)) {
    found.push({
      code: "machine-type-unknown",
      field: "definition.machine",
      message: `The guest's machine type ${definition.machine} is Proxmox's, and the target's QEMU ${versionText(target.qemu.version)} is not`,
      cure: "Choose a host with Proxmox's QEMU, or restart the guest with a machine type of QEMU's own",
    });
  }
  if (source.accelerator !== definition.accelerator) {
    found.push({
      code: "accelerator-differs",
      field: "definition.accelerator",
      message: `The guest runs with ${source.accelerator}, and in its definition ${definition.accelerator}`,
      cure: "Correct the definition: the target is started from it",
    });
  }
  if (memoryDiffers(sides)) {
    found.push({
      code: "memory-differs",
      field: "definition.memoryBytes",
      message: `The guest has ${source.memoryBytes} bytes of memory, and in its definition ${definition.memoryBytes}`,
      cure: "Correct the definition: the target is started from it, and QEMU refuses another size",
    });
  }
  if (cpusDiffer(sides)) {
    found.push({
      code: "cpus-differ",
      field: "definition.cpus",
      message: `The guest has ${source.cpus} vCPUs, and in its definition ${definition.cpus}`,
      cure: "Correct the definition: the target is started from it, and QEMU refuses another number",
    });
  }
  return [...found, ...vfioBlockers(sides)];
}

/** Proxmox's package of QEMU is `pve-qemu-kvm`. */
function isProxmox({ package: name }: QemuVersion): boolean {
  return /\bpve\b/.test(name);
}

/** Memory devices add to the definition's memory, and their size may change. */
function memoryDiffers({ source, definition }: BothSides): boolean {
  const hasDevices = definition.devices.some(({ driver }) =>
    /dimm|^virtio-p?mem/.test(`${driver}`),
  );
  const isMore = source.memoryBytes > definition.memoryBytes;
  return source.memoryBytes !== definition.memoryBytes && !(hasDevices && isMore);
}

/** vCPUs that the definition lists as devices add to its number. */
function cpusDiffer({ source, definition }: BothSides): boolean {
  const isCpu = ({ driver }: Record<string, unknown>) => `${driver}`.endsWith("-cpu");
  return source.cpus !== definition.cpus + definition.devices.filter(isCpu).length;
}

/** The machine type of a name or alias. */
export function findMachine(machines: readonly MachineType[], name: string) {
  return machines.find((machine) => machine.name === name || machine.alias === name);
}

/** `pc-q35-10.0` → `10.0`; undefined for unversioned ones such as `microvm`. */
function releaseOf(machine: string): QemuRelease | undefined {
  return /-(\d+\.\d+)$/.exec(machine)?.[1] as QemuRelease | undefined;
}

function machineUnknown({ source, target }: BothSides): Blocker {
  const { machineType } = source;
  const release = releaseOf(machineType);
  const { version } = target.qemu;
  let cure = `Choose a host whose QEMU has the machine type ${machineType}`;
  if (release !== undefined) {
    cure = isAtLeast(version, release)
      ? `Choose a host with a QEMU from ${release} on, older than ${versionText(version)} (which has removed it), or restart the guest with a newer machine type`
      : `Choose a host with QEMU ${release} or newer: a machine type exists from the version it is named after`;
  }
  return {
    code: "machine-type-unknown",
    field: "source.machineType",
    message: `The target's QEMU ${versionText(version)} does not have the guest's machine type ${machineType}`,
    cure,
  };
}
