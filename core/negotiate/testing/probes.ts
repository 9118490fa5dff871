import type {
  MachineType,
  QemuProbe,
  SourceProbe,
  TargetProbe,
  VfioDevice,
} from "../../protocol/probe.ts";
import { capabilitiesOf } from "../../qemu/capability-rules.ts";
import { parameters } from "../../qemu/parameters.ts";
import { existsIn } from "../../qemu/version.ts";
import { VmDefinition } from "../../vm.ts";

/** Bytes. */
export const GiB = 2 ** 30;

export const releases = ["7.2", "10.0", "11.1"] as const;
export type KnownRelease = (typeof releases)[number];

/** The machine types of the i440fx family that these tests need. */
const machinesOf: Record<KnownRelease, MachineType[]> = {
  "7.2": [{ name: "pc-i440fx-7.2", alias: "pc", deprecated: false }],
  "10.0": [
    { name: "pc-i440fx-10.0", alias: "pc", deprecated: false, switchoverAckLegacy: true },
    { name: "pc-i440fx-7.2", deprecated: false, switchoverAckLegacy: true },
  ],
  "11.1": [
    { name: "pc-i440fx-11.1", alias: "pc", deprecated: false, switchoverAckLegacy: false },
    { name: "pc-i440fx-10.0", deprecated: false, switchoverAckLegacy: true },
    { name: "pc-i440fx-7.2", deprecated: true, switchoverAckLegacy: true },
  ],
};

const vfioOf: Record<KnownRelease, string[]> = {
  "7.2": ["x-enable-migration", "x-pre-copy-dirty-page-tracking"],
  "10.0": ["enable-migration", "x-pre-copy-dirty-page-tracking", "x-migration-multifd-transfer"],
  "11.1": [
    "enable-migration",
    "x-pre-copy-dirty-page-tracking",
    "x-migration-multifd-transfer",
    "x-migration-load-config-after-iter",
  ],
};

/** A full build of one of the releases, as an agent reports it. */
export function qemuProbe(release: KnownRelease, rest: Partial<QemuProbe> = {}): QemuProbe {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const version = { major, minor, micro: 2, package: "" };
  const present = parameters.filter(
    (parameter) => existsIn(parameter, version) && parameter.name !== "block-bitmap-mapping",
  );
  return {
    binary: `/usr/bin/qemu-system-x86_64:${release}`,
    version,
    architecture: "x86_64",
    capabilities: capabilitiesOf(version),
    parameters: Object.fromEntries(present.map((entry) => [entry.name, entry.default])),
    machines: machinesOf[release],
    multifdCompression: ["none", "zlib", "zstd"],
    exitOnError: release !== "7.2",
    vfioProperties: vfioOf[release],
    traceLog: true,
    ...rest,
  };
}

/** The newest machine type that both releases have. */
export function commonMachine(one: KnownRelease, two: KnownRelease): string {
  const oldest = releases[Math.min(releases.indexOf(one), releases.indexOf(two))];
  return `pc-i440fx-${oldest}`;
}

export function sourceProbe(release: KnownRelease, rest: Partial<SourceProbe> = {}): SourceProbe {
  return {
    qemu: qemuProbe(release),
    machineType: `pc-i440fx-${release}`,
    accelerator: "tcg",
    dirtyRing: false,
    runState: "running",
    migrationStatus: "none",
    memoryBytes: GiB,
    cpus: 1,
    vfioDevices: [],
    blockers: [],
    ...rest,
  };
}

export function targetProbe(release: KnownRelease, rest: Partial<TargetProbe> = {}): TargetProbe {
  return {
    qemu: qemuProbe(release),
    memoryFreeBytes: 8 * GiB,
    accelerators: ["tcg", "kvm"],
    vmPresent: false,
    userfaultfd: true,
    missingResources: [],
    ...rest,
  };
}

export function vmDefinition(rest: Record<string, unknown> = {}): VmDefinition {
  return VmDefinition.parse({ machine: "pc", memoryBytes: GiB, ...rest });
}

export function vfioDevice(id: string, properties: VfioDevice["properties"] = {}): VfioDevice {
  return { id, type: "vfio-pci", properties };
}
