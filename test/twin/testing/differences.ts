import type { Files, Trial } from "./bed.ts";
import {
  base,
  blockdev,
  changed,
  job,
  plus,
  renode,
  snapshot,
  withExtra,
  without,
} from "./parts.ts";

export type MadeDifference = {
  readonly title: string;
  readonly make: (files: Files) => Trial;
  /** Matches the name of a difference that must be among those found. */
  readonly found: RegExp;
};

/** What an operator, or a tool of theirs, has done to the running guest since it was defined. */
const atTheSource: readonly MadeDifference[] = [
  {
    title: "A4: a device was added",
    make: (files) => ({
      source: base(files),
      act: (qmp) => qmp.executeAny("device_add", { driver: "virtio-rng-pci", id: "hot" }),
    }),
    found: /^device .*\(virtio-rng-pci "hot"\)$/,
  },
  {
    title: "A4: a device was removed",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        const gone = qmp.waitFor((event) => event.name === "DEVICE_DELETED", {
          timeoutMs: 20_000,
        });
        await qmp.execute("device_del", { id: "tablet" });
        await gone;
      },
    }),
    found: /^device .*\(usb-tablet "tablet"\)$/,
  },
  {
    title: "a USB device was unplugged, and is on another port",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        const gone = qmp.waitFor((event) => event.name === "DEVICE_DELETED", {
          timeoutMs: 20_000,
        });
        await qmp.execute("device_del", { id: "tablet" });
        await gone;
        const tablet = { driver: "usb-tablet", id: "tablet", bus: "xhci.0" };
        await qmp.executeAny("device_add", tablet);
      },
    }),
    found: /^device .*port 1 \(usb-tablet "tablet"\)$/,
  },
  {
    title: "A2: an external snapshot was taken",
    make: (files) => ({
      source: base(files),
      act: (qmp) => snapshot(qmp, files, "n1"),
    }),
    found: /^disk .*"d1"\): chain$/,
  },
  {
    title: "a snapshot was committed into the image that it was defined on",
    make: (files) => {
      const machine = base(files);
      return {
        source: machine,
        act: async (qmp) => {
          await snapshot(qmp, files, "n1");
          await job(qmp, "block-commit", { device: "overlay" });
        },
        target: renode(machine, "n1", { filename: files("disk-3") }),
      };
    },
    found: /^disk .*"d1"\): chain$/,
  },
  {
    title: "a disk was mirrored to another file",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        const copy = { driver: "file", "node-name": "copy", filename: files("disk-3") };
        await qmp.executeAny("blockdev-add", copy);
        await job(qmp, "blockdev-mirror", { device: "n1", target: "copy", sync: "full" });
      },
    }),
    found: /^disk .*"d1"\): chain$/,
  },
  {
    title: "the medium was changed",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        const medium = { id: "cd0", filename: files("iso-2"), force: true };
        await qmp.executeAny("blockdev-change-medium", medium);
      },
    }),
    found: /^disk .*"cd0"\): chain$/,
  },
  {
    title: "the medium was ejected",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        await qmp.executeAny("blockdev-open-tray", { id: "cd0", force: true });
        await qmp.executeAny("blockdev-remove-medium", { id: "cd0" });
        await qmp.executeAny("blockdev-close-tray", { id: "cd0" });
      },
    }),
    found: /^disk .*"cd0"\): chain$/,
  },
  {
    title: "a disk was added to a SCSI bus",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        await qmp.executeAny("blockdev-add", blockdev("n3", files("disk-3")));
        const disk = { driver: "scsi-hd", id: "d3", drive: "n3", bus: "scsi0.0" };
        await qmp.executeAny("device_add", disk);
      },
    }),
    found: /^device .*\(scsi-hd "d3"\)$/,
  },
  {
    title: "a network device was added",
    make: (files) => ({
      source: base(files),
      act: async (qmp) => {
        await qmp.executeAny("netdev_add", { type: "user", id: "net1" });
        await qmp.executeAny("device_add", { driver: "e1000", id: "nic1", netdev: "net1" });
      },
    }),
    found: /^device .*\(e1000 "nic1"\)$/,
  },
  {
    title: "a vCPU was added",
    make: (files) => ({
      source: withExtra(base(files), "-smp", "1,maxcpus=2,sockets=2"),
      act: (qmp) =>
        qmp.executeAny("device_add", {
          driver: "qemu64-x86_64-cpu",
          "socket-id": 1,
          "core-id": 0,
          "thread-id": 0,
        }),
    }),
    found: /^vCPUs slot .*socket-id 1.*: plugged$/,
  },
  {
    title: "memory was added",
    make: (files) => ({
      source: withExtra(base(files), "-m", "64M,slots=2,maxmem=1G"),
      act: async (qmp) => {
        const memory = { "qom-type": "memory-backend-ram", id: "m1", size: 128 << 20 };
        await qmp.executeAny("object-add", memory);
        await qmp.executeAny("device_add", { driver: "pc-dimm", id: "dimm1", memdev: "m1" });
      },
    }),
    found: /^memory device dimm dimm1$/,
  },
];

/** The definition is not that of the running guest. */
const inTheDefinition: readonly MadeDifference[] = [
  {
    title: "two disks are swapped",
    make: (files) => {
      const source = base(files);
      const target = changed(changed(source, "d1", { drive: "n2" }), "d2", { drive: "n1" });
      return { source, target };
    },
    found: /^disk .*"d1"\): chain$/,
  },
  {
    title: "a disk has another file",
    make: (files) => {
      const source = base(files);
      return { source, target: renode(source, "n1", { filename: files("disk-3") }) };
    },
    found: /^disk .*"d1"\): chain$/,
  },
  {
    title: "a disk is read-only",
    make: (files) => {
      const source = base(files);
      return { source, target: renode(source, "n2", { "read-only": true }) };
    },
    found: /^disk .*"d2"\): read-only$/,
  },
  {
    title: "a filter is missing above a disk's file",
    make: (files) => {
      const target = base(files);
      const source = withExtra(
        changed(target, "d1", { drive: "slow" }),
        "-object",
        "throttle-group,id=g,x-iops-total=100",
        "-blockdev",
        "driver=throttle,node-name=slow,throttle-group=g,file=n1",
      );
      return { source, target };
    },
    found: /^disk .*"d1"\): chain$/,
  },
  {
    title: "A5: a network device has no peer",
    make: (files) => {
      const source = base(files);
      return { source, target: changed(source, "nic0", { netdev: undefined }) };
    },
    found: /^device .*virtio-net-device "nic0"\): netdev$/,
  },
  {
    title: "a network device has another peer",
    make: (files) => {
      const source = withExtra(base(files), "-netdev", "user,id=net1");
      return { source, target: changed(source, "nic0", { netdev: "net1" }) };
    },
    found: /^device .*virtio-net-device "nic0"\): netdev$/,
  },
  {
    title: "a network peer is of another kind",
    make: (files) => {
      const source = base(files);
      return { source, target: { ...source, extra: ["-netdev", "hubport,id=net0,hubid=0"] } };
    },
    found: /^network peer net0: kind$/,
  },
  {
    title: "A6: the CPU model is the machine's default",
    make: (files) => ({ source: { ...base(files), cpuModel: "max" }, target: base(files) }),
    found: /^vCPUs slot .*: type$/,
  },
  {
    title: "a feature of the CPU is missing",
    make: (files) => ({
      source: { ...base(files), cpuModel: "qemu64,+aes" },
      target: { ...base(files), cpuModel: "qemu64" },
    }),
    found: /^vCPUs vCPU 0: feature aes$/,
  },
  {
    title: "vCPUs are cores instead of sockets",
    make: (files) => ({
      source: withExtra({ ...base(files), cpus: 2 }, "-smp", "2,sockets=2,cores=1"),
      target: withExtra({ ...base(files), cpus: 2 }, "-smp", "2,sockets=1,cores=2"),
    }),
    found: /^machine machine: smp$/,
  },
  {
    title: "memory is larger",
    make: (files) => ({ source: base(files), target: { ...base(files), memoryBytes: 96 << 20 } }),
    found: /^memory RAM block pc\.ram: size in bytes$/,
  },
  {
    title: "memory is on another NUMA node",
    make: (files) => {
      const memory = ["-object", "memory-backend-ram,id=m0,size=64M", "-numa", "node,memdev=m0"];
      return { source: withExtra(base(files), ...memory), target: base(files) };
    },
    found: /^memory RAM block (m0|pc\.ram)$/,
  },
  {
    title: "the machine is of another version",
    make: (files) => ({
      source: base(files),
      target: { ...base(files), machine: "pc-i440fx-7.1" },
    }),
    found: /^machine machine: type$/,
  },
  {
    title: "the machine has another property",
    make: (files) => ({
      source: base(files),
      target: { ...base(files), machineOptions: { vmport: "off" } },
    }),
    found: /^machine machine: vmport$/,
  },
  {
    title: "the machine has another UUID",
    make: (files) => ({
      source: { ...base(files), uuid: "6f9619ff-8b86-4011-b42d-00c04fc964ff" },
      target: { ...base(files), uuid: "6f9619ff-8b86-4011-b42d-00c04fc964fe" },
    }),
    found: /^machine machine: uuid$/,
  },
  {
    title: "a device has another property",
    make: (files) => ({
      source: base(files),
      target: changed(base(files), "nic0", { mrg_rxbuf: false }),
    }),
    found: /^device .*virtio-net-device "nic0"\): mrg_rxbuf$/,
  },
  {
    title: "a global property is missing",
    make: (files) => ({
      source: { ...base(files), globals: ["virtio-blk-pci.ats=on"] },
      target: base(files),
    }),
    found: /^device .*virtio-blk-pci "d1"\): ats$/,
  },
  {
    title: "a device is of another type",
    make: (files) => ({
      source: base(files),
      target: changed(base(files), "nic0", { driver: "e1000" }),
    }),
    found: /^device .*\/07\.0 \(virtio-net-pci "nic0"\): type$/,
  },
  {
    title: "a device is at another address",
    make: (files) => ({
      source: base(files),
      target: changed(base(files), "nic0", { addr: "0xa" }),
    }),
    found: /^device .*\/07\.0 \(virtio-net-pci "nic0"\)$/,
  },
  {
    title: "a device is missing",
    make: (files) => ({ source: base(files), target: without(base(files), "d2") }),
    found: /^device .*\/06\.0 \(virtio-blk-pci "d2"\)$/,
  },
  {
    title: "a device is only at the target",
    make: (files) => ({
      source: base(files),
      target: plus(base(files), { driver: "pvpanic" }),
    }),
    found: /^device .*pvpanic \(pvpanic\)$/,
  },
  {
    title: "two devices without an address are in another order",
    make: (files) => ({
      source: plus(base(files), { driver: "virtio-rng-pci" }, { driver: "virtio-balloon-pci" }),
      target: plus(base(files), { driver: "virtio-balloon-pci" }, { driver: "virtio-rng-pci" }),
    }),
    found: /^device .*\(virtio-rng-pci\): type$/,
  },
  {
    title: "a device has no option ROM",
    make: (files) => ({
      source: base(files),
      target: changed(base(files), "nic0", { romfile: "" }),
    }),
    found: /^memory RAM block .*\/virtio-net-pci\.rom$/,
  },
  {
    title: "a disk has another serial number",
    make: (files) => ({
      source: changed(base(files), "d1", { serial: "one" }),
      target: changed(base(files), "d1", { serial: "two" }),
    }),
    found: /^device .*"d1"\): serial$/,
  },
  {
    title: "a serial port is missing",
    make: (files) => ({
      source: withExtra(base(files), "-serial", "null"),
      target: base(files),
    }),
    found: /^device .*isa-serial\[1\] \(isa-serial\)$/,
  },
  {
    title: "a device on no bus has another property",
    make: (files) => ({
      source: plus(base(files), {
        driver: "vmgenid",
        guid: "6f9619ff-8b86-4011-b42d-00c04fc964ff",
      }),
      target: plus(base(files), {
        driver: "vmgenid",
        guid: "6f9619ff-8b86-4011-b42d-00c04fc964fe",
      }),
    }),
    found: /^device on no bus vmgenid .*: guid$/,
  },
  {
    title: "a DIMM is missing",
    make: (files) => {
      const slots = ["-m", "64M,slots=2,maxmem=1G"];
      const dimm = [
        "-object",
        "memory-backend-ram,id=m1,size=128M",
        "-device",
        "pc-dimm,id=dimm1,memdev=m1",
      ];
      return {
        source: withExtra(base(files), ...slots, ...dimm),
        target: withExtra(base(files), ...slots),
      };
    },
    found: /^memory device dimm dimm1$/,
  },
];

export const differences: readonly MadeDifference[] = [...atTheSource, ...inTheDefinition];
