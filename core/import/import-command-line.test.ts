import { describe, expect, it } from "vitest";
import { importCommandLine } from "./import-command-line.ts";

const read = (options: string) => importCommandLine(`qemu-system-x86_64 -nodefaults ${options}`);
const outcomes = (options: string) =>
  read(options).notes.map(({ outcome, option }) => `${outcome}: ${option}`);

describe("what a command line says", () => {
  it.each<[string, object]>([
    ["-m 2G", { memoryBytes: 2 ** 31 }],
    ["-m 512", { memoryBytes: 2 ** 29 }],
    ["-m size=1G,slots=2,maxmem=4G", { memory: { slots: 2, maxBytes: 2 ** 32 } }],
    ["-smp 4,sockets=2,cores=2,threads=1", { cpus: 4, cpuTopology: { sockets: 2, cores: 2 } }],
    ["-smp cores=2,threads=2", { cpus: 4 }],
    ["-M q35,accel=kvm,smm=on", { machine: "q35", accelerator: "kvm" }],
    ["-enable-kvm -cpu host,+x2apic", { accelerator: "kvm", cpuModel: "host,+x2apic" }],
    ["-machine pc,kernel-irqchip=split", { acceleratorOptions: { "kernel-irqchip": "split" } }],
    ["-no-reboot -no-shutdown", { actions: { reboot: "shutdown", shutdown: "pause" } }],
    ["-boot order=cd,menu=on", { boot: { order: "cd", menu: true } }],
    ["-boot d", { boot: { order: "d" } }],
    ["-smbios type=11,value=a,value=b", { smbios: [{ type: 11, value: ["a", "b"] }] }],
    ["-global driver=e1000,property=mac,value=1", { globals: ["e1000.mac=1"] }],
    ["-serial chardev:c -chardev null,id=c", { serials: [{ chardev: "c" }] }],
    ["-serial file:/run/switchyard/web/serial.log", { serials: ["log"] }],
    ["-vnc 127.0.0.1:7", { display: { type: "vnc" } }],
    [
      "-m 64 -object memory-backend-ram,id=m,size=64M -numa node,cpus=0-1,memdev=m -smp 2",
      { numa: [{ nodeid: 0, cpus: [0, 1], memdev: "m" }] },
    ],
    ["-device e1000,mac=52:54:00:12:34:56,rombar=0", { devices: [{ rombar: 0 }] }],
    ["-device virtio-blk-pci,disable-legacy=on,packed=on,addr=5", { devices: [DISK] }],
    ["-object memory-backend-ram,id=m,size=1G,host-nodes=0-1", { objects: [{ size: 2 ** 30 }] }],
    ["-blockdev driver=file,node-name=f,filename=/a,cache.direct=on", { blockdevs: [NODE] }],
    [
      "--netdev user,id=n,hostfwd=tcp::22-:22",
      { netdevs: [{ hostfwd: [{ str: "tcp::22-:22" }] }] },
    ],
    ["-netdev tap,id=n,fd=3", { netdevs: [{ ifname: { $host: "n", type: "tap" } }] }],
    ["-netdev tap,id=n,ifname=t0,script=no", { netdevs: [{ ifname: "t0", script: "no" }] }],
    [
      "-device vfio-pci,host=03:00.1,id=vf0",
      { devices: [{ host: { $host: "vf0", type: "pci" } }] },
    ],
    ["-drive file=/a,format=raw,if=virtio,cache=none", { devices: [{ drive: "drive0" }] }],
    ["-drive file=/a,format=raw,if=pflash,readonly=on", { firmware: { code: "drive0" } }],
  ])("%s", (options, expected) => {
    expect(read(options).definition).toMatchObject(expected);
  });

  it("that leaves the default devices on gets them by name", () => {
    const { devices, netdevs } = importCommandLine("qemu-system-x86_64 -m 64").definition;
    const drivers = devices.map(({ driver }) => driver);
    expect(drivers).toEqual(["VGA", "isa-parallel", "floppy", "ide-cd", "e1000"]);
    expect(netdevs).toHaveLength(3);
  });
});

const DISK = { "disable-legacy": "on", packed: true, addr: "5" };
const NODE = { filename: "/a", cache: { direct: true } };

describe("what becomes of an option", () => {
  it.each<[string, string[]]>([
    ["-qmp unix:/a,server=on,wait=off", ["replaced: -qmp unix:/a,server=on,wait=off"]],
    ["-mon chardev=m -chardev stdio,id=m,mux=on", ["replaced: -mon chardev=m", STDIO]],
    ["-spice port=1", ["lost: -spice port=1"]],
    ["-fw_cfg name=a,string=b", ["lost: -fw_cfg name=a,string=b"]],
    ["-object secret,id=s,data=hidden", ["lost: -object secret,id=s"]],
    ["-boot once=d", ["lost: -boot once=d"]],
    ["-no-such-option x", ["unknown: -no-such-option x"]],
    ["-drive file=a.img,if=virtio,format=raw", ["unknown: -drive file=a.img,if=virtio,format=raw"]],
    ["-drive file=/a,if=virtio", ["unknown: -drive file=/a,if=virtio"]],
    ["-drive file=/a,format=raw,bps=5,if=virtio", ["lost: -drive bps=5"]],
    ["-drive file=/a,format=raw,if=sd", ["unknown: -drive file=/a,format=raw,if=sd"]],
    ["-nographic", ["replaced: -nographic"]],
    ["-m 64", []],
  ])("%s", (options, expected) => {
    expect(outcomes(options)).toEqual(expected);
  });

  it("before QEMU's name is noted", () => {
    const { notes } = importCommandLine("exec sudo taskset -c 0 /usr/bin/kvm -m 64 -nodefaults");
    expect(notes).toMatchObject([{ outcome: "replaced", option: "exec sudo taskset -c 0" }]);
  });
});

const STDIO = "replaced: -chardev stdio,id=m,mux=on";

describe("a command line is refused", () => {
  it.each<[string, RegExp]>([
    ["virsh start web", /command of QEMU .*, found none/],
    ["kvm -m 1\nkvm -m 2", /one command of QEMU, found 2/],
    ["kvm -readconfig /a", /-readconfig cannot be imported/],
    ["kvm -m", /a value of -m, got the end/],
    ["kvm -device '{'", /valid JSON in -device {/],
    ["kvm -m 64 -device e1000,netdev=n", /devices.*netdev: expected an `id` in `netdevs`/],
  ])("%s", (text, message) => {
    expect(() => importCommandLine(text)).toThrow(message);
  });

  it("with too many words", () => {
    expect(() => importCommandLine(`kvm ${"-S ".repeat(2_001)}`)).toThrow(/at most 2000 words/);
  });
});
