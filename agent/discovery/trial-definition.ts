import { join } from "node:path";
import type { VmDefinition } from "../../core/vm.ts";

type Part = Readonly<Record<string, unknown>>;

/**
 * Devices that belong to the host or to another process, which only one QEMU can have. Their `tpmdev`,
 * `host` or `chardev` would be taken from the running guest.
 */
const SINGLE =
  /^(vfio-|vhost-|usb-host$|usb-redir$|tpm-|ivshmem-|virtio-pmem|scsi-(block|generic)$)/;
/** Objects that open something of the host which only one process can have, or write to a file. */
const OBJECTS_LEFT_OUT = /^(filter-|colo-|dbus-vmstate$|input-|can-host-|x-remote|cryptodev-vhost)/;
const MEMORY = /^memory-backend-/;

export type TrialDefinition = {
  readonly definition: VmDefinition;
  /** Types of devices that the trial does not have. */
  readonly leftOut: readonly string[];
};

/**
 * A definition for a QEMU beside the running one, which shares nothing that could be taken from it or
 * written to: character devices and networks lead nowhere, memory is anonymous. What the guest sees is
 * the same. Disks are opened as those of a migration's target, which does not write to them.
 *
 * @param folder for sockets of the trial
 */
export function trialDefinition(wanted: VmDefinition, folder: string): TrialDefinition {
  const isSingle = ({ driver }: Part) => SINGLE.test(String(driver));
  const devices = wanted.devices.filter((device) => !isSingle(device));
  const leftOut = wanted.devices.filter(isSingle).map(({ driver }) => String(driver));
  const { tpm: _, ...rest } = wanted;
  const definition: VmDefinition = {
    ...rest,
    devices,
    objects: wanted.objects.filter(isKept).map(anonymousMemory),
    ...(wanted.chardevs === undefined ? {} : { chardevs: wanted.chardevs.map(nowhere) }),
    ...(wanted.netdevs === undefined
      ? {}
      : { netdevs: wanted.netdevs.map((netdev, at) => closed(netdev, folder, at)) }),
    display: { type: "none" },
  };
  return { definition, leftOut: [...new Set(leftOut)] };
}

const isKept = (object: Part) => !OBJECTS_LEFT_OUT.test(String(object["qom-type"]));

function nowhere({ id, mux }: Part) {
  const isMux = mux === true || mux === "on";
  return { id: String(id), backend: "null", ...(isMux ? { mux: true } : {}) };
}

function closed(netdev: Part, folder: string, at: number): NonNullable<VmDefinition["netdevs"]>[0] {
  const { type, id, hubid, netdev: behind } = netdev;
  if (type === "hubport") {
    const hub = { type, id: String(id), hubid: Number(hubid) };
    return behind === undefined ? hub : { ...hub, netdev: String(behind) };
  }
  const addr = { type: "unix", path: join(folder, `n${at}.sock`) };
  return { type: "stream", id: String(id), server: true, addr };
}

/** A file or huge pages would be written to by the firmware, or taken twice. */
function anonymousMemory(object: VmDefinition["objects"][number]): VmDefinition["objects"][number] {
  if (!MEMORY.test(String(object["qom-type"]))) return object;
  const kept = ["id", "size", "share", "x-use-canonical-path-for-ramblock-id"];
  const members = Object.entries(object).filter(([member]) => kept.includes(member));
  return { "qom-type": "memory-backend-ram", ...Object.fromEntries(members) };
}
