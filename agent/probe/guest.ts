import { limitToModel } from "../../core/negotiate/cpu-model.ts";
import type { ArgsOf } from "../../core/protocol/command.ts";
import type { ParameterValue, SourceProbe, VfioDevice } from "../../core/protocol/probe.ts";
import { versionText } from "../../core/qemu/version.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import { runningJobs } from "../guest/block-jobs.ts";
import type { Guest } from "../guest/guest.ts";
import { limitToMachine } from "../guest/qemu-probe.ts";
import { type TlsConfig, tlsKinds } from "../migrate/tls.ts";
import type { HooksConfig } from "../runtime/hooks-config.ts";
import type { BinaryDescription } from "./binary.ts";
import { deviceClass } from "./device-class.ts";
import { probeDisks } from "./disks.ts";
import { readHostCpu } from "./host-cpu.ts";

/** What negotiation needs to know of a running guest. */
export async function probeGuest(
  guest: Guest,
  description: BinaryDescription,
  linkBytesPerSecond: number,
  { tls, hooks }: { tls?: TlsConfig | undefined; hooks: HooksConfig },
  { copies }: ArgsOf<"source.probe">,
): Promise<SourceProbe> {
  const { qmp } = guest;
  const [qemu, machine, status, migration, memory, cpus, kvm, uuid, devices, jobs, disks] =
    await Promise.all([
      guest.probe(),
      machineType(qmp),
      qmp.execute("query-status"),
      qmp.execute("query-migrate"),
      qmp.execute("query-memory-size-summary"),
      qmp.execute("query-cpus-fast"),
      qmp.execute("query-kvm"),
      qmp.execute("query-uuid"),
      vfioDevices(qmp),
      runningJobs(qmp),
      copies === undefined ? undefined : probeDisks(qmp, guest.manifest.pid),
    ]);
  const { cpuModel } = guest.manifest.definition;
  const accelerator = kvm.enabled ? "kvm" : "tcg";
  // Asked itself, the guest's own QEMU would stop for as long as it answers.
  const isSame = versionText(description.probe.version) === versionText(qemu.version);
  const models = isSame ? description.cpuModels[accelerator] : undefined;
  return {
    qemu: limitToMachine(qemu, machine),
    machineType: machine,
    accelerator,
    dirtyRing: kvm.enabled && (await dirtyRing(qmp)),
    runState: status.status,
    migrationStatus: migration.status ?? "none",
    memoryBytes: Number(memory["base-memory"]) + Number(memory["plugged-memory"] ?? 0),
    cpus: cpus.length,
    ...(cpuModel === undefined ? {} : { cpuModel }),
    uuid: uuid.UUID,
    vfioDevices: devices,
    jobs,
    ...(disks === undefined ? {} : { disks }),
    linkBytesPerSecond,
    tls: tlsKinds("source", qemu.tlsCredentials, tls),
    hooks: hooks.preSwitchover === undefined ? [] : ["preSwitchover"],
    host: readHostCpu(),
    ...(models && { cpuModels: limitToModel(models, cpuModel, qemu.architecture) }),
    blockers: migration["blocked-reasons"] ?? [],
  };
}

/** The resolved name of the machine type, never its alias: `pc-q35-10.0`. */
export async function machineType(qmp: QmpClient): Promise<string> {
  const type = await qmp.execute("qom-get", { path: "/machine", property: "type" });
  return String(type).replace(/-machine$/, "");
}

async function dirtyRing(qmp: QmpClient): Promise<boolean> {
  try {
    const size = await qmp.execute("qom-get", {
      path: "/machine/accel",
      property: "dirty-ring-size",
    });
    return Number(size) > 0;
  } catch (error) {
    if (error instanceof QmpCommandError) return false; // QEMU has this path from 11.0 on.
    throw error;
  }
}

const VFIO_TYPE = /^child<(vfio-pci[a-z-]*|vfio-user-pci)>$/;
/** Properties of vfio-pci (QEMU hw/vfio/pci.c, 7.2 to 11.1) that decide how its state is migrated. */
const VFIO_PROPERTIES = [
  "enable-migration",
  "x-enable-migration",
  "x-pre-copy-dirty-page-tracking",
  "x-device-dirty-page-tracking",
  "x-migration-multifd-transfer",
  "x-migration-load-config-after-iter",
  "x-migration-max-queued-buffers-size",
  "migration-events",
];

async function vfioDevices(qmp: QmpClient): Promise<VfioDevice[]> {
  const parents = ["/machine/peripheral", "/machine/peripheral-anon"];
  const found = await Promise.all(parents.map((parent) => vfioDevicesIn(qmp, parent)));
  return found.flat();
}

async function vfioDevicesIn(qmp: QmpClient, parent: string): Promise<VfioDevice[]> {
  const found: VfioDevice[] = [];
  for (const child of await qmp.execute("qom-list", { path: parent })) {
    const type = VFIO_TYPE.exec(child.type)?.[1];
    if (type === undefined) continue;
    const path = `${parent}/${child.name}`;
    const id = parent.endsWith("-anon") ? path : child.name;
    const [properties, kind] = await Promise.all([
      readProperties(qmp, path),
      readDeviceClass(qmp, path),
    ]);
    found.push({ id, type, properties, ...(kind === undefined ? {} : { deviceClass: kind }) });
  }
  return found;
}

async function readDeviceClass(qmp: QmpClient, path: string): Promise<string | undefined> {
  const read = async (property: string) => {
    try {
      const value = await qmp.execute("qom-get", { path, property });
      return typeof value === "string" && value !== "" ? value : undefined;
    } catch (error) {
      if (error instanceof QmpCommandError) return undefined; // Not set.
      throw error;
    }
  };
  const [sysfsdev, host] = await Promise.all([read("sysfsdev"), read("host")]);
  return deviceClass({ ...(sysfsdev ? { sysfsdev } : {}), ...(host ? { host } : {}) });
}

async function readProperties(
  qmp: QmpClient,
  path: string,
): Promise<Record<string, ParameterValue>> {
  const listed = await qmp.execute("qom-list", { path });
  const names = VFIO_PROPERTIES.filter((name) => listed.some((entry) => entry.name === name));
  const values = await Promise.all(
    names.map((property) => qmp.execute("qom-get", { path, property })),
  );
  return Object.fromEntries(
    names.map((name, index) => {
      const value = values[index];
      const isScalar = ["string", "number", "boolean"].includes(typeof value);
      return [name, isScalar ? (value as ParameterValue) : String(value)];
    }),
  );
}
