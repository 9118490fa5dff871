import { atLeast, parseVersion, type Version } from "./version.ts";

/** A machine type, such as pc-q35-10.0. */
export type MachineType = {
  readonly name: string;
  /** The release whose behaviour it keeps; undefined for types without a version. */
  readonly release: string | undefined;
  readonly alias: string | undefined;
  readonly isDefault: boolean;
  readonly isDeprecated: boolean;
  readonly cpuMax: number;
};

/** A property that a machine type sets for compatibility, as `query-machines` shows it. */
export type CompatProperty = {
  readonly "qom-type": string;
  readonly property: string;
  readonly value: string;
};

const releases = [
  "2.4 2.5 2.6 2.7 2.8 2.9 2.10 2.11 2.12 3.0 3.1 4.0 4.1 4.2 5.0 5.1 5.2 6.0 6.1 6.2",
  "7.0 7.1 7.2 8.0 8.1 8.2 9.0 9.1 9.2 10.0 10.1 10.2 11.0 11.1",
].flatMap((line) => line.split(" "));

/** The machine types of a `qemu-system-x86_64` of `version`. */
export function listMachineTypes(version: Version): MachineType[] {
  const own = releases.findLast((release) => atLeast(version, release));
  const known = releases.filter(
    (release) => atLeast(version, release) && !isGone(version, release),
  );
  const versioned = known.flatMap((release) =>
    (["pc-i440fx", "pc-q35"] as const).map((family) => ({
      name: `${family}-${release}`,
      release,
      alias: release === own ? (family === "pc-q35" ? "q35" : "pc") : undefined,
      isDefault: release === own && family === "pc-i440fx",
      isDeprecated: isDeprecated(version, release),
      cpuMax: family === "pc-i440fx" ? 255 : q35CpuMax(release),
    })),
  );
  const plain = [
    { name: "isapc", cpuMax: 1 },
    { name: "microvm", cpuMax: 288 },
    { name: "none", cpuMax: 1 },
  ].map((entry) => ({
    ...entry,
    release: undefined,
    alias: undefined,
    isDefault: false,
    isDeprecated: false,
  }));
  return [...versioned, ...plain];
}

/** By name or alias; the default type when `name` is undefined. Undefined: unknown. */
export function findMachineType(
  version: Version,
  name: string | undefined,
): MachineType | undefined {
  return listMachineTypes(version).find((type) =>
    name === undefined ? type.isDefault : type.name === name || type.alias === name,
  );
}

/** The migration side of `compat-props`. */
export function listCompatProperties(version: Version, type: MachineType): CompatProperty[] {
  if (type.release === undefined) return [];
  const machine = parseVersion(type.release);
  const properties: CompatProperty[] = [];
  const add = (before: string, qomType: string, property: string, value: string): void => {
    if (atLeast(version, before) && !atLeast(machine, before)) {
      properties.push({ "qom-type": qomType, property, value });
    }
  };
  if (type.name.startsWith("pc-q35")) {
    properties.push({ "qom-type": "virtio-iommu-pci", property: "aw-bits", value: "39" });
  }
  add("10.0", "migration", "multifd-clean-tls-termination", "false");
  add("10.0", "migration", "send-switchover-start", "off");
  add("10.0", "vfio-pci", "x-migration-multifd-transfer", "off");
  add("10.1", "vfio-pci", "x-migration-load-config-after-iter", "off");
  add("11.1", "migration", "switchover-ack-legacy", "on");
  return properties;
}

function isGone(version: Version, release: string): boolean {
  const type = parseVersion(release);
  if (atLeast(version, "11.0")) return !atLeast(type, "5.2");
  return !atLeast(version, "10.0") && !atLeast(type, "2.4");
}

/** A type is deprecated three years after its release: a rule since 9.1. */
function isDeprecated(version: Version, release: string): boolean {
  if (!atLeast(version, "9.1")) return false;
  const age =
    releases.filter((other) => atLeast(version, other)).length - releases.indexOf(release);
  return age > 9;
}

function q35CpuMax(release: string): number {
  const type = parseVersion(release);
  if (atLeast(type, "9.0")) return 4096;
  if (atLeast(type, "8.1")) return 1024;
  return atLeast(type, "2.8") ? 288 : 255;
}
