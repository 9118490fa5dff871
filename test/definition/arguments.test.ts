import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { guestArguments, guestPaths } from "../../agent/guest/arguments.ts";
import { resolveResources } from "../../agent/guest/resources.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { qemuBinaries } from "../../rig/guest/testing/qemu-binaries.ts";
import { makeFiles, withMachine } from "./testing/start.ts";

const MIB = 2 ** 20;
const ram = (id: string, mib: number) => ({
  "qom-type": "memory-backend-ram",
  id,
  size: mib * MIB,
});
const disk = { driver: "null-co", "node-name": "d0", size: MIB };
const flash = (name: string) => ({ driver: "null-co", "node-name": name, size: 262_144 });
const socket = {
  id: "c0",
  backend: "socket",
  path: { $guest: "c0.sock" },
  server: true,
  wait: false,
};

/** A part, and the arguments that QEMU gets for it; FILES and FOLDER stand for the test's own. */
const parts: [string, object, string[]][] = [
  [
    "machine properties",
    { machine: "q35", machineOptions: { smm: false } },
    ["-machine q35,smm=off"],
  ],
  [
    "accelerator properties",
    { acceleratorOptions: { "tb-size": 32, thread: "single" } },
    ["-accel tcg,tb-size=32,thread=single"],
  ],
  [
    "a long CPU model",
    { cpuModel: `qemu64,${Array(40).fill("+ssse3,-svm").join(",")},model-id=A CPU` },
    [`-cpu qemu64,${Array(40).fill("+ssse3,-svm").join(",")},model-id=A CPU`],
  ],
  [
    "a topology",
    { cpus: 2, cpuTopology: { maxCpus: 8, sockets: 2, cores: 2, threads: 2 } },
    ["-smp cpus=2,maxcpus=8,sockets=2,cores=2,threads=2"],
  ],
  ["the most vCPUs alone", { cpus: 1, cpuTopology: { maxCpus: 4 } }, ["-smp cpus=1,maxcpus=4"]],
  [
    "memory slots",
    { memory: { slots: 2, maxBytes: 256 * MIB } },
    ["-m size=64M,slots=2,maxmem=256M"],
  ],
  [
    "a memory backend",
    { machine: "pc", memory: { backend: "m0" }, objects: [ram("m0", 64)] },
    ["-machine pc,memory-backend=m0", "-m 64M"],
  ],
  [
    "NUMA",
    {
      cpus: 4,
      objects: [ram("m0", 32), ram("m1", 32)],
      numa: [
        { type: "node", nodeid: 0, cpus: [0, 2], memdev: "m0" },
        { type: "node", nodeid: 1, memdev: "m1" },
        { type: "dist", src: 0, dst: 1, val: 21 },
        { type: "cpu", "node-id": 1, "socket-id": 0, "core-id": 1 },
        { type: "cpu", "node-id": 1, "core-id": 3 },
      ],
    },
    [
      "-numa node,nodeid=0,cpus=0,cpus=2,memdev=m0",
      "-numa node,nodeid=1,memdev=m1",
      "-numa dist,src=0,dst=1,val=21",
      "-numa cpu,node-id=1,socket-id=0,core-id=1",
    ],
  ],
  ["a BIOS", { firmware: { bios: "FILES/OVMF_CODE.fd" } }, ["-bios FILES/OVMF_CODE.fd"]],
  [
    "flash",
    { firmware: { code: "f0", nvram: "f1" }, blockdevs: [flash("f0"), flash("f1")] },
    ["-machine pc,pflash0=f0,pflash1=f1"],
  ],
  [
    "a boot order",
    { boot: { order: "dc", menu: false, strict: true, splashTimeMs: 9, rebootTimeoutMs: -1 } },
    ["-boot order=dc,menu=off,strict=on,splash-time=9,reboot-timeout=-1"],
  ],
  [
    "a kernel",
    { kernel: { path: "FILES/vmlinuz", initrd: "FILES/initrd.img", append: "a=1,2 b" } },
    ["-kernel FILES/vmlinuz -initrd FILES/initrd.img -append a=1,2 b"],
  ],
  [
    "a clock",
    { rtc: { base: "2026-11-30T12:00:00", clock: "vm", driftfix: "none" } },
    ["-rtc base=2026-11-30T12:00:00,clock=vm,driftfix=none"],
  ],
  [
    "SMBIOS tables",
    {
      smbios: [
        { type: 0, vendor: "A, B", uefi: true },
        { type: 11, value: ["x=1,2", "y"] },
      ],
    },
    ["-smbios type=0,vendor=A,, B,uefi=on", "-smbios type=11,value=x=1,,2,value=y"],
  ],
  [
    "actions",
    {
      actions: {
        reboot: "reset",
        shutdown: "pause",
        panic: "exit-failure",
        watchdog: "inject-nmi",
      },
    },
    ["-action reboot=reset,shutdown=pause,panic=exit-failure,watchdog=inject-nmi"],
  ],
  [
    "VNC",
    { display: { type: "vnc", share: "ignore" } },
    ["-vnc unix:FOLDER/vnc.sock,share=ignore"],
  ],
  ["no display", { display: { type: "none" } }, ["-display none"]],
  ["no serial port", { serials: [] }, []],
  [
    "two serial ports",
    { chardevs: [socket], serials: [{ chardev: "c0" }, "log"] },
    [
      "-chardev socket,id=c0,path=FOLDER/c0.sock,server=on,wait=off",
      "-serial chardev:c0 -serial file:FOLDER/serial.log",
    ],
  ],
  [
    "a chardev with a log",
    { chardevs: [{ id: "c0", backend: "null", logfile: "FILES/a,b.log", logappend: true }] },
    ["-chardev null,id=c0,logfile=FILES/a,,b.log,logappend=on"],
  ],
  [
    "a chardev that two parts use",
    {
      chardevs: [{ id: "c0", backend: "null", mux: true }],
      serials: [{ chardev: "c0" }, { chardev: "c0" }],
    },
    ["-chardev null,id=c0,mux=on", "-serial chardev:c0 -serial chardev:c0"],
  ],
  [
    "networks",
    {
      netdevs: [
        { type: "hubport", id: "n0", hubid: 1 },
        { type: "socket", id: "n1", mcast: "230.0.0.1:1234", localaddr: "127.0.0.1" },
        {
          type: "dgram",
          id: "n2",
          remote: { type: "unix", path: "FILES/r.sock" },
          local: { type: "unix", path: { $guest: "l.sock" } },
        },
      ],
      devices: [
        { driver: "e1000", netdev: "n0" },
        { driver: "virtio-net-pci", netdev: "n1" },
        { driver: "rtl8139", netdev: "n2" },
      ],
    },
    [
      '-netdev {"type":"hubport","id":"n0","hubid":1}',
      '"local":{"type":"unix","path":"FOLDER/l.sock"}',
    ],
  ],
  [
    "an iothread",
    {
      objects: [{ "qom-type": "iothread", id: "io0" }],
      blockdevs: [disk],
      devices: [{ driver: "virtio-blk-pci", drive: "d0", iothread: "io0" }],
    },
    ['-object {"qom-type":"iothread","id":"io0"}'],
  ],
  [
    "an IOMMU, a PCI bridge and what is behind it",
    {
      machine: "q35",
      devices: [
        { driver: "pcie-root-port", id: "port0", chassis: 1, slot: 1 },
        { driver: "virtio-balloon-pci", bus: "port0", "free-page-reporting": true },
      ],
    },
    ['-device {"driver":"pcie-root-port","id":"port0","chassis":1,"slot":1}'],
  ],
];

function place(value: object, files: string) {
  const text = JSON.stringify({ memoryBytes: 64 * MIB, ...value });
  return VmDefinition.parse(JSON.parse(text.replaceAll("FILES", files)));
}

describe("arguments", () => {
  it.each(parts)("of %s", (_, part, expected) => {
    const folder = "/run/vm1";
    const { definition } = resolveResources(place(part, "/f"), {}, folder);
    const options = { vm: VmId.parse("vm1"), paths: guestPaths(folder), incoming: false };
    const line = ` ${guestArguments({ ...options, definition, sandbox: false }).join(" ")} `;
    for (const text of expected) {
      expect(line).toContain(text.replaceAll("FILES", "/f").replaceAll("FOLDER", folder));
    }
    if (expected.length === 0) expect(line).not.toContain("-serial");
  });

  for (const { version, binary } of qemuBinaries) {
    it.each(parts)(`of %s are accepted by QEMU ${version}`, async (_, part) => {
      const folder = makeFiles(testFolder());
      const definition = place(part, folder);
      const machine = { qemu: binary, definition, runDir: join(folder, "r") };
      const { output, cpus } = await withMachine(machine, async (guest) => ({
        output: guest.lastOutput(),
        cpus: await guest.qmp.execute("query-cpus-fast"),
      }));
      expect(cpus).toHaveLength(definition.cpus);
      expect(output).not.toMatch(/deprecated|no peer|not used/);
    });
  }
});
