import type { MadeDifference } from "./made-difference.ts";
import { base, blockdev, job, renode, snapshot, withExtra } from "./parts.ts";

/** What an operator, or a tool of theirs, has done to the running guest since it was defined. */
export const madeAtSource: readonly MadeDifference[] = [
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
