import { describe, expect, it } from "vitest";
import { negotiate } from "../negotiate/negotiate.ts";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { sourceProbe, targetProbe, vfioDevice, vmDefinition } from "../negotiate/testing/probes.ts";
import { Eligibility } from "./eligibility.ts";
import { cpuModels, fleet, GIB } from "./testing/fleet.ts";

type Case = {
  vm?: Record<string, unknown>;
  source?: Record<string, unknown>;
  target?: Record<string, unknown>;
  policy?: Record<string, unknown>;
};

function ask({ vm = {}, source = {}, target = {}, policy = {} }: Case) {
  const snapshot = fleet({ a: { ...source, vms: { a1: { gib: 8, ...vm } } }, b: target });
  const eligibility = new Eligibility(snapshot, MigrationPolicy.parse(policy));
  const [one] = snapshot.vms;
  const [from, to] = snapshot.hosts;
  if (one === undefined || from === undefined || to === undefined) throw new Error("Expected all");
  return eligibility.verdict(one, from, to);
}

const device = vfioDevice("net0");
const vfio = { vfioDevices: [device], devices: [{ driver: "vfio-pci", id: "net0" }] };

const memory = { hugepages: [], nodes: [0], mountPageBytes: {} };
const memfd = { "qom-type": "memory-backend-memfd", id: "m", size: 8 * GIB };

const secret = { source: { tls: ["psk"] }, target: { tls: ["psk"] }, policy: { tls: "psk" } };
const withDisk = (storage: Record<string, string>) => ({
  storage,
  blockdevs: [
    { driver: "qcow2", "node-name": "data", file: { driver: "file", filename: "/images/data" } },
  ],
});

describe("eligibility", () => {
  it.each<[string, Case, string[]]>([
    ["a guest that fits", {}, []],
    ["an older machine type that both have", { target: { qemu: "11.1" } }, []],
    [
      "a machine type that the target's QEMU has not",
      { vm: { machineType: "pc-i440fx-11.1" }, source: { qemu: "11.1" } },
      ["machine-type-unknown"],
    ],
    ["a disk that moves with it", { ...secret, vm: withDisk({ data: "copy" }) }, []],
    ["a disk, and a stream in the clear", { vm: withDisk({ data: "move" }) }, ["copy-needs-tls"]],
    [
      "a disk that is not in its definition",
      { ...secret, vm: withDisk({ other: "copy" }) },
      ["disk-not-copied"],
    ],
    [
      "a disk, and a QEMU that cannot copy it safely",
      {
        ...secret,
        vm: { ...withDisk({ data: "copy" }), machineType: "pc-i440fx-7.2" },
        target: { tls: ["psk"], qemu: "7.2" },
      },
      ["copy-needs-qemu"],
    ],
    ["a missing accelerator", { target: { accelerators: ["tcg"] } }, ["accelerator-missing"]],
    [
      "a CPU model without all its features",
      {
        vm: { cpuModel: "three" },
        source: { cpuModels: ["three", "two"] },
        target: { cpuModels: ["two"] },
      },
      ["cpu-features-missing"],
    ],
    ["a CPU model of which nothing is known", { vm: { cpuModel: "three" } }, []],
    ["a missing host resource", { vm: { resources: ["gpu0"] } }, ["resource-missing"]],
    [
      "a host resource that is there",
      { vm: { resources: ["gpu0"] }, target: { resources: ["gpu0"] } },
      [],
    ],
    [
      "several reasons at once",
      { vm: { resources: ["gpu0"] }, target: { accelerators: [] } },
      ["accelerator-missing", "resource-missing"],
    ],
    [
      "a limit of locked memory below a guest with a VFIO device",
      { vm: vfio, target: { memory: { ...memory, lockableBytes: 8 * GIB } } },
      ["locked-memory-short"],
    ],
    [
      "the same limit for a guest without one",
      { target: { memory: { ...memory, lockableBytes: 8 * GIB } } },
      [],
    ],
    [
      "a control group's limit",
      { target: { memory: { ...memory, cgroup: { path: "/agent", limitBytes: 8 * GIB } } } },
      ["cgroup-memory-short"],
    ],
    [
      "that limit, and memory that is in hugepages",
      {
        vm: { objects: [{ ...memfd, hugetlb: true, hugetlbsize: GIB }] },
        target: {
          memory: {
            ...memory,
            cgroup: { path: "/agent", limitBytes: 8 * GIB },
            hugepages: [{ pageBytes: GIB, totalBytes: 8 * GIB }],
          },
        },
      },
      [],
    ],
    [
      "too few hugepages of a memfd's size",
      {
        vm: { objects: [{ ...memfd, hugetlb: true, hugetlbsize: GIB }] },
        target: { memory: { ...memory, hugepages: [{ pageBytes: GIB, totalBytes: 4 * GIB }] } },
      },
      ["hugepages-short"],
    ],
    [
      "too few hugepages of a mount's size",
      {
        vm: {
          objects: [
            {
              "qom-type": "memory-backend-file",
              id: "m",
              size: 8 * GIB,
              "mem-path": { $host: "huge" },
            },
          ],
        },
        target: { memory: { ...memory, mountPageBytes: { huge: 2 ** 21 } } },
      },
      ["hugepages-short"],
    ],
    [
      "a NUMA node that the host has not",
      {
        vm: { objects: [{ ...memfd, policy: "bind", "host-nodes": [1] }] },
        target: { memory },
      },
      ["numa-node-missing"],
    ],
    ["QEMU's own blockers", { vm: { blockers: ["non-migratable device: foo"] } }, ["blocked"]],
    [
      "a block job",
      { vm: { jobs: [{ id: "j", type: "mirror", status: "running" }] } },
      ["block-job"],
    ],
    ["a target that cannot listen", { target: { cannotListen: "no address" } }, ["cannot-listen"]],
    [
      "a machine type of Proxmox's",
      { vm: { machine: "pc-i440fx-10.0+pve1" } },
      ["machine-type-unknown"],
    ],
    ["a run state that cannot move", { vm: { runState: "internal-error" } }, ["run-state"]],
    [
      "a sleeping guest and an old target",
      { vm: { runState: "suspended", machineType: "pc-i440fx-7.2" }, target: { qemu: "7.2" } },
      ["run-state"],
    ],
    [
      "encryption that the target cannot do",
      { policy: { tls: "psk" }, source: { tls: ["psk"] } },
      ["tls-unavailable"],
    ],
    [
      "a required capability that the target has not",
      {
        vm: { machineType: "pc-i440fx-7.2" },
        policy: { capabilities: { "switchover-ack": "require" } },
        target: { qemu: "7.2" },
      },
      ["capability-absent"],
    ],
    ["devices that both can move", { vm: vfio }, []],
  ])("of %s is negotiation's", (_, input, codes) => {
    expect(
      ask(input)
        .blockers.map(({ code }) => code)
        .toSorted(),
    ).toEqual(codes);
  });

  it("is word for word what negotiation answers to the probes of both hosts", () => {
    const { blockers } = ask({
      vm: { resources: ["gpu0"], cpuModel: "three", ...vfio },
      source: { cpuModels: ["three"] },
      target: { accelerators: ["tcg"], cpuModels: [] },
    });
    const result = negotiate({
      source: sourceProbe("10.0", {
        accelerator: "kvm",
        memoryBytes: 8 * GIB,
        cpuModel: "three",
        cpuModels: cpuModels(["three"], ["three"]),
        vfioDevices: [device],
      }),
      target: targetProbe("10.0", {
        accelerators: ["tcg"],
        cpuModels: cpuModels([], ["three"]),
        missingResources: ["gpu0"],
        memoryFreeBytes: 8 * GIB,
      }),
      definition: vmDefinition({
        accelerator: "kvm",
        memoryBytes: 8 * GIB,
        cpuModel: "three",
        devices: vfio.devices,
      }),
      policy: MigrationPolicy.parse({}),
    });
    expect(result).toEqual({ agreed: false, blockers });
  });

  it("brings the downtime limit that is agreed", () => {
    expect(ask({ policy: { downtimeLimitMs: 120 } }).downtimeLimitMs).toBe(120);
  });
});
