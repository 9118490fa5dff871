import { basename } from "node:path";
import { VmDefinition } from "../../core/vm.ts";
import type { Disks } from "./disks.ts";
import { KERNEL_ARGUMENTS } from "./rig/kernel-arguments.ts";

const MIB = 2 ** 20;
/** The host resource that is a tap on each host's bridge. */
export const LAN = "lan";
/** The host resource that is a folder of its own on each host. */
export const IMAGES = "images";

export type Shape = {
  readonly name: string;
  readonly claim: string;
  /** The last byte of the addresses of its network card. */
  readonly number: number;
  /** `copied`: the disks `raw` and `cow` lie on the guest's host, and go with it. */
  readonly storage: "shared" | "copied";
  /** qemu-ga runs in it; its clock is wrong by years until its first move sets it. */
  readonly hasAgent?: true;
  definition(disks: Disks): VmDefinition;
};

export const shapes: readonly Shape[] = [
  {
    name: "kernel",
    claim: "pc, kernel and initrd, virtio disks and card, guest agent",
    number: 11,
    storage: "shared",
    hasAgent: true,
    definition: (disks) =>
      define(11, "virtio-net-pci", {
        machine: "pc",
        memoryBytes: 160 * MIB,
        kernel: { path: disks.kernel, initrd: disks.initrd, append: KERNEL_ARGUMENTS },
        rtc: { base: "2020-01-01T00:00:00" },
        chardevs: [
          {
            id: "qga",
            backend: "socket",
            path: { $guest: "qga.sock" },
            server: true,
            wait: false,
          },
        ],
        blockdevs: [raw("raw", disks.raw), qcow2("cow", disks.cow)],
        devices: [
          { driver: "virtio-serial-pci", id: "serial0" },
          { driver: "virtserialport", chardev: "qga", name: "org.qemu.guest_agent.0" },
          { driver: "virtio-blk-pci", id: "disk0", drive: "raw" },
          { driver: "virtio-blk-pci", id: "disk1", drive: "cow" },
        ],
      }),
  },
  {
    name: "uefi",
    claim: "q35 with UEFI, two CPUs, PCIe ports, AHCI and an iothread",
    number: 13,
    storage: "shared",
    definition: (disks) =>
      define(13, "virtio-net-pci", {
        machine: "q35",
        memoryBytes: 192 * MIB,
        cpus: 2,
        firmware: { code: "code", nvram: "nvram" },
        objects: [{ "qom-type": "iothread", id: "io0" }],
        blockdevs: [
          raw("code", disks.code, true),
          raw("nvram", disks.nvram),
          raw("boot", disks.boot, true),
          raw("raw", disks.raw),
          qcow2("cow", disks.cow),
        ],
        devices: [
          ...[1, 2].map((port) => ({
            driver: "pcie-root-port",
            id: `port${port}`,
            chassis: port,
            slot: port,
          })),
          { driver: "virtio-blk-pci", id: "boot0", drive: "boot", bus: "port1", bootindex: 1 },
          { driver: "ide-hd", id: "disk0", bus: "ide.0", drive: "raw" },
          { driver: "virtio-blk-pci", id: "disk1", drive: "cow", bus: "port2", iothread: "io0" },
        ],
      }),
  },
  {
    name: "copied",
    claim: "pc, kernel and initrd, both disks copied with each move",
    number: 14,
    storage: "copied",
    definition: (disks) =>
      define(14, "virtio-net-pci", {
        machine: "pc",
        memoryBytes: 160 * MIB,
        kernel: { path: disks.kernel, initrd: disks.initrd, append: KERNEL_ARGUMENTS },
        blockdevs: [raw("raw", onHost(disks.raw)), qcow2("cow", onHost(disks.cow))],
        devices: [
          { driver: "virtio-blk-pci", id: "disk0", drive: "raw" },
          { driver: "virtio-blk-pci", id: "disk1", drive: "cow" },
        ],
      }),
  },
  {
    name: "bios",
    claim: "pc, BIOS from a disk, IDE and SCSI disks, e1000",
    number: 12,
    storage: "shared",
    definition: (disks) =>
      define(12, "e1000", {
        machine: "pc",
        memoryBytes: 160 * MIB,
        blockdevs: [raw("boot", disks.boot, true), raw("raw", disks.raw), qcow2("cow", disks.cow)],
        devices: [
          { driver: "virtio-blk-pci", id: "boot0", drive: "boot", bootindex: 1 },
          { driver: "ide-hd", id: "disk0", bus: "ide.0", drive: "raw" },
          { driver: "virtio-scsi-pci", id: "scsi0" },
          { driver: "scsi-hd", id: "disk1", bus: "scsi0.0", drive: "cow" },
        ],
      }),
  },
];

export function macOf(number: number): string {
  return `52:54:00:77:00:${number.toString(16).padStart(2, "0")}`;
}

function define(
  number: number,
  driver: string,
  { devices = [], ...parts }: Partial<VmDefinition> & { memoryBytes: number },
): VmDefinition {
  return VmDefinition.parse({
    ...parts,
    netdevs: [{ type: "tap", id: "net0", ifname: { $host: LAN, type: "tap" } }],
    devices: [...devices, { driver, id: "nic0", netdev: "net0", mac: macOf(number) }],
  });
}

type Filename = string | ReturnType<typeof onHost>;

function onHost(file: string) {
  return { $host: IMAGES, type: "folder", file: basename(file) };
}

function raw(node: string, filename: Filename, readOnly = false) {
  const file = { driver: "file", filename, "read-only": readOnly };
  return { driver: "raw", "node-name": node, "read-only": readOnly, file };
}

function qcow2(node: string, filename: Filename) {
  return { driver: "qcow2", "node-name": node, file: { driver: "file", filename } };
}
