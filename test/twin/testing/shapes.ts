import type { Files, Trial } from "./bed.ts";
import { base, blockdev, pc, plus, q35, renode, userNet, withExtra } from "./parts.ts";

export type Shape = {
  readonly title: string;
  readonly make: (files: Files) => Trial;
  /** Between two versions of QEMU it is not the same machine: the difference found. */
  readonly differsBetweenVersions?: RegExp;
};

/** Machines whose two sides are the same: no difference may be found, and the guest moves. */
export const shapes: readonly Shape[] = [
  { title: "one disk", make: () => ({ source: { machine: pc } }) },
  { title: "disks, CD, network, SCSI, USB", make: (files) => ({ source: base(files) }) },
  {
    title: "a desktop",
    make: () => ({
      source: {
        machine: pc,
        extra: [...userNet, "-audiodev", "none,id=a0"],
        devices: [
          { driver: "VGA" },
          { driver: "AC97", audiodev: "a0" },
          { driver: "e1000", netdev: "net0" },
          { driver: "piix3-usb-uhci" },
          { driver: "usb-kbd" },
          { driver: "usb-tablet" },
          { driver: "virtio-balloon-pci" },
          { driver: "virtio-rng-pci" },
        ],
      },
    }),
  },
  {
    title: "virtio-serial ports, watchdog, panic device, generation id",
    make: () => ({
      source: {
        machine: pc,
        extra: ["-chardev", "null,id=c0", "-chardev", "null,id=c1"],
        devices: [
          { driver: "virtio-serial-pci", id: "vs0" },
          { driver: "virtserialport", bus: "vs0.0", chardev: "c0", name: "org.qemu.guest_agent.0" },
          { driver: "virtconsole", bus: "vs0.0", chardev: "c1" },
          { driver: "i6300esb" },
          { driver: "pvpanic" },
          { driver: "vmgenid", guid: "6f9619ff-8b86-4011-b42d-00c04fc964ff" },
        ],
      },
    }),
  },
  {
    title: "q35 with devices behind root ports",
    make: (files) => ({
      source: {
        machine: q35,
        extra: userNet,
        blockdevs: [blockdev("n1", files("disk-1"))],
        devices: [
          { driver: "pcie-root-port", id: "rp1", chassis: 1, slot: 1 },
          { driver: "pcie-root-port", id: "rp2", chassis: 2, slot: 2 },
          { driver: "pcie-root-port", id: "rp3", chassis: 3, slot: 3 },
          { driver: "virtio-net-pci", bus: "rp1", netdev: "net0" },
          { driver: "virtio-blk-pci", bus: "rp2", drive: "n1" },
          { driver: "qemu-xhci", bus: "rp3" },
        ],
      },
    }),
  },
  {
    title: "q35 with AHCI disks, an empty CD drive, HDA and an IOMMU",
    make: (files) => ({
      source: {
        machine: q35,
        extra: ["-audiodev", "none,id=a0"],
        blockdevs: [blockdev("n1", files("disk-1"))],
        devices: [
          { driver: "intel-iommu" },
          { driver: "ide-hd", drive: "n1", bus: "ide.0" },
          { driver: "ide-cd", bus: "ide.1" },
          { driver: "ich9-intel-hda" },
          { driver: "hda-duplex", audiodev: "a0" },
        ],
      },
    }),
  },
  {
    title: "four vCPUs and room for four more",
    make: () => ({
      source: {
        machine: pc,
        cpus: 4,
        extra: ["-smp", "4,maxcpus=8,sockets=2,cores=2,threads=2"],
      },
    }),
  },
  {
    title: "two NUMA nodes on shared memory",
    make: () => ({
      source: {
        machine: q35,
        cpus: 2,
        extra: [
          "-object",
          "memory-backend-memfd,id=m0,size=32M,share=on",
          "-object",
          "memory-backend-memfd,id=m1,size=32M,share=on",
          "-numa",
          "node,nodeid=0,cpus=0,memdev=m0",
          "-numa",
          "node,nodeid=1,cpus=1,memdev=m1",
        ],
      },
    }),
  },
  {
    title: "DIMMs",
    make: () => ({
      source: {
        machine: pc,
        extra: [
          "-m",
          "64M,slots=2,maxmem=1G",
          "-object",
          "memory-backend-ram,id=m1,size=128M",
          "-device",
          "pc-dimm,id=dimm1,memdev=m1",
        ],
      },
    }),
  },
  {
    title: "the CPU model max",
    make: () => ({ source: { machine: pc, cpuModel: "max" } }),
    differsBetweenVersions: /^vCPUs vCPU 0: feature /,
  },
  {
    title: "CPU flags",
    make: () => ({ source: { machine: q35, cpuModel: "Nehalem,-vme,+aes" } }),
  },
  {
    title: "SCSI disks, CD and a floppy",
    make: (files) => ({
      source: {
        machine: pc,
        extra: ["-drive", `if=floppy,format=raw,file=${files("iso-2")},readonly=on`],
        blockdevs: [
          blockdev("n1", files("disk-1")),
          { driver: "raw", "node-name": "n2", file: blockdev("f2", files("disk-2")) } as never,
          blockdev("cd", files("iso-1"), { "read-only": true }),
        ],
        devices: [
          { driver: "virtio-scsi-pci", id: "s0" },
          { driver: "scsi-hd", bus: "s0.0", drive: "n1", "scsi-id": 0 },
          { driver: "scsi-hd", bus: "s0.0", drive: "n2", "scsi-id": 1 },
          { driver: "scsi-cd", bus: "s0.0", drive: "cd", "scsi-id": 2 },
        ],
      },
    }),
  },
  {
    title: "twenty devices behind a bridge",
    make: () => ({
      source: {
        machine: pc,
        devices: [
          { driver: "pci-bridge", id: "br", chassis_nr: 1 },
          ...Array.from({ length: 20 }, (_, at) => ({
            driver: "virtio-rng-pci",
            bus: "br",
            addr: `0x${(at + 1).toString(16)}`,
          })),
        ],
      },
    }),
  },
  {
    title: "a device that was added while the guest ran, and to the definition",
    make: (files) => ({
      source: base(files),
      act: (qmp) =>
        qmp.executeAny("device_add", { driver: "virtio-rng-pci", id: "hot", addr: "0xb" }),
      target: plus(base(files), { driver: "virtio-rng-pci", id: "hot", addr: "0xb" }),
    }),
  },
  {
    title: "a medium that was changed, and in the definition",
    make: (files) => ({
      source: base(files),
      act: (qmp) =>
        qmp.executeAny("blockdev-change-medium", {
          id: "cd0",
          filename: files("iso-2"),
          force: true,
        }),
      target: renode(base(files), "cd", { filename: files("iso-2") }),
    }),
  },
  {
    title: "machine properties, UUID and globals",
    make: (files) => ({
      source: withExtra(
        {
          ...base(files),
          machineOptions: { vmport: "off", "dump-guest-core": "off" },
          uuid: "6f9619ff-8b86-4011-b42d-00c04fc964ff",
          globals: ["virtio-net-pci.disable-modern=on"],
        },
        "-rtc",
        "base=localtime",
        "-boot",
        "order=cd,menu=off",
        "-smbios",
        "type=1,manufacturer=Test",
      ),
    }),
  },
];
