import { describe, expect, it } from "vitest";
import { VmDefinition } from "../vm.ts";

const MIB = 2 ** 20;
const parse = (more: object) => VmDefinition.safeParse({ memoryBytes: 64 * MIB, ...more });
const ram = (id: string, mib = 32) => ({ "qom-type": "memory-backend-ram", id, size: mib * MIB });
const node = (nodeid: number, more: object = {}) => ({ type: "node", nodeid, ...more });
const disk = { driver: "null-co", "node-name": "d0" };
const nested = { driver: "raw", "node-name": "d0", file: { driver: "file", "node-name": "f0" } };
const user = { type: "user", id: "n0" };
const none = { backend: "null", id: "c0" };

describe("a definition", () => {
  it.each([
    { machine: "pc-q35-9.0+pve0" },
    { cpuModel: `Skylake-Server,${Array(200).fill("vmx-ept-wb=on,avx512=off").join(",")}` },
    { cpuModel: "host,hv-vendor-id=KVM Hv,+x2apic,migratable=on" },
    { netdevs: [user], devices: [{ driver: "e1000", id: "n0", netdev: "n0" }] },
    { blockdevs: [nested], devices: [{ driver: "ide-hd", drive: "f0" }] },
    { blockdevs: [disk, { driver: "raw", "node-name": "d1", file: "d0" }] },
    { blockdevs: [{ ...nested, driver: "qcow2", backing: null }] },
    { netdevs: [user], objects: [{ "qom-type": "filter-buffer", id: "f0", netdev: "n0" }] },
    { chardevs: [{ ...none, mux: true }], serials: [{ chardev: "c0" }, { chardev: "c0" }] },
    { cpus: 2, cpuTopology: { maxCpus: 8, sockets: 4 } },
    { uuid: "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001" },
  ])("may have %j", (more) => {
    expect(parse(more).error?.issues).toBeUndefined();
  });

  it.each<[object, (string | number)[], RegExp]>([
    [{ machine: "pc,accel=kvm" }, ["machine"], /name of a machine type/],
    [{ machineOptions: { pflash0: "d0" } }, ["machineOptions", "pflash0"], /`firmware.code`/],
    [{ machineOptions: { kernel: "k" } }, ["machineOptions", "kernel"], /`kernel.path`/],
    [{ machineOptions: { "smp.cores": 1 } }, ["machineOptions", "smp.cores"], /`cpuTopology`/],
    [{ cpuModel: "qemu64,a=1,,b" }, ["cpuModel"], /separated by commas/],
    [
      { cpus: 4, cpuTopology: { maxCpus: 2 } },
      ["cpuTopology", "maxCpus"],
      /at least the 4 .* got 2/,
    ],
    [
      { cpus: 4, cpuTopology: { sockets: 1, cores: 2, threads: 1 } },
      ["cpuTopology"],
      /to be 4, the most vCPUs, got 2/,
    ],
    [{ memory: { slots: 2 } }, ["memory", "maxBytes"], /got nothing/],
    [{ memory: { maxBytes: MIB } }, ["memory", "maxBytes"], /at least .* got 1048576/],
    [{ memory: { backend: "m0" } }, ["memory", "backend"], /`objects`, got m0; there is none/],
    [
      { memory: { backend: "m0" }, objects: [ram("m0")] },
      ["memory", "backend"],
      /object of 67108864 bytes.* got m0 of 33554432/,
    ],
    [{ numa: [node(0), node(0)] }, ["numa", 1, "nodeid"], /got 0 again/],
    [{ numa: [node(0, { cpus: [0, 1] })] }, ["numa", 0, "cpus"], /below 1, got 1/],
    [{ numa: [node(0, { memdev: "m0" })], objects: [ram("m0")] }, ["numa"], /got 33554432/],
    [{ numa: [node(0)] }, ["numa"], /67108864 bytes together, .* got 0/],
    [
      { numa: [node(0), { type: "dist", src: 0, dst: 1, val: 20 }] },
      ["numa", 1, "dst"],
      /`nodeid` of a node, got 1/,
    ],
    [
      { devices: [{ driver: "e1000", netdev: "n1" }], netdevs: [user] },
      ["devices", 0, "netdev"],
      /got n1; there are n0/,
    ],
    [
      {
        devices: [
          { driver: "a", netdev: "n0" },
          { driver: "b", netdev: "n0" },
        ],
        netdevs: [user],
      },
      ["devices", 1, "netdev"],
      /only one part uses, got n0 again/,
    ],
    [{ netdevs: [user, user] }, ["netdevs", 1, "id"], /got n0 again/],
    [{ netdevs: [{ type: "user" }] }, ["netdevs", 0, "id"], /expected an id/],
    [{ netdevs: [{ id: "n0" }] }, ["netdevs", 0, "type"], /kind of network/],
    [{ chardevs: [{ id: "c0" }] }, ["chardevs", 0, "backend"], /kind of character device/],
    [{ chardevs: [{ ...none, x: { y: 1 } }] }, ["chardevs", 0, "x"], /expected text without/],
    [{ serials: [{ chardev: "c0" }] }, ["serials", 0, "chardev"], /`chardevs`, got c0/],
    [
      { chardevs: [none], serials: [{ chardev: "c0" }, { chardev: "c0" }] },
      ["serials", 1, "chardev"],
      /got c0 again/,
    ],
    [
      { devices: [{ driver: "ide-hd", drive: "d1" }], blockdevs: [disk] },
      ["devices", 0, "drive"],
      /`blockdevs`, got d1; there are d0/,
    ],
    [{ blockdevs: [disk, disk] }, ["blockdevs", 1, "node-name"], /got d0 again/],
    [{ blockdevs: [{ driver: "raw", file: "x" }] }, ["blockdevs", 0, "file"], /got x/],
    [{ firmware: { code: "d0", nvram: "d1" }, blockdevs: [disk] }, ["firmware", "nvram"], /got d1/],
    [{ tpm: { id: "t0", chardev: "c0" } }, ["tpm", "chardev"], /got c0/],
    [{ devices: [{ driver: "tpm-crb", tpmdev: "t0" }] }, ["devices", 0, "tpmdev"], /`tpm.id`/],
    [{ boot: { order: "cc" } }, ["boot", "order"], /each drive once/],
    [{ boot: { once: "d" } }, ["boot"], /once/],
    [{ rtc: { base: "now" } }, ["rtc", "base"], /`utc`, `localtime` or a date/],
    [{ smbios: [{ vendor: "a" }] }, ["smbios", 0], /either `type`/],
    [{ kernel: { path: "vmlinuz" } }, ["kernel", "path"], /an absolute path/],
    [{ serials: ["com1"] }, ["serials", 0], /expected "log" or/],
    [{ firmware: { bios: "a", code: "b" } }, ["firmware"], /expected either `bios`/],
    [{ display: { type: "gtk" } }, ["display", "type"], /./],
  ])("may not have %j", (more, path, message) => {
    const issues = parse(more).error?.issues ?? [];
    const found = issues.find((issue) => issue.path.join() === path.join());
    expect(found?.message, JSON.stringify(issues)).toMatch(message);
  });
});
