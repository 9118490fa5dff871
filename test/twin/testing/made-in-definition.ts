import type { MadeDifference } from "./made-difference.ts";
import { base, changed, plus, renode, withExtra, without } from "./parts.ts";

/** The definition is not that of the running guest. */
export const madeInDefinition: readonly MadeDifference[] = [
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
