import { describe, expect, it } from "vitest";
import { agree, type Case, reason, refuse } from "./testing/negotiating.ts";
import { GiB, qemuProbe, targetProbe, vfioDevice } from "./testing/probes.ts";

describe("blockers", () => {
  const oneOf: [title: string, input: Case, code: string, field: string, cure: RegExp][] = [
    [
      "postmigrate",
      { source: { runState: "postmigrate" } },
      "run-state",
      "source.runState",
      /Resume the guest/,
    ],
    [
      "inmigrate",
      { source: { runState: "inmigrate" } },
      "run-state",
      "source.runState",
      /into this host/,
    ],
    [
      "a guest that has powered itself off",
      { source: { runState: "shutdown" } },
      "run-state",
      "source.runState",
      /start it on the other host/,
    ],
    [
      "a run state that is not known",
      { source: { runState: "brand-new" } },
      "run-state",
      "source.runState",
      /leaves the run state/,
    ],
    [
      "C3: a block job that runs",
      { source: { jobs: [{ id: "nightly", type: "backup", status: "running" }] } },
      "block-job",
      "source.jobs",
      /nightly has ended/,
    ],
    [
      "a target that cannot listen",
      { target: { cannotListen: "EADDRNOTAVAIL" } },
      "cannot-listen",
      "target.cannotListen",
      /migrationAddress/,
    ],
    [
      "a migration under way",
      { source: { migrationStatus: "active" } },
      "migration-in-progress",
      "source.migrationStatus",
      /cancel/,
    ],
    [
      "a status that is not known",
      { source: { migrationStatus: "brand-new" } },
      "migration-in-progress",
      "source.migrationStatus",
      /cancel/,
    ],
    [
      "too little memory",
      { target: { memoryFreeBytes: GiB - 1 } },
      "memory-short",
      "target.memoryFreeBytes",
      /^Free 1 bytes/,
    ],
    [
      "the VM is there",
      { target: { vmPresent: true } },
      "vm-present",
      "target.vmPresent",
      /person/,
    ],
    [
      "no KVM",
      {
        source: { accelerator: "kvm" },
        definition: { accelerator: "kvm" },
        target: { accelerators: ["tcg"] },
      },
      "accelerator-missing",
      "target.accelerators",
      /\/dev\/kvm/,
    ],
    [
      "another architecture",
      { target: { qemu: qemuProbe("10.0", { architecture: "aarch64" }) } },
      "architecture-differs",
      "target.qemu.architecture",
      /architecture/,
    ],
    [
      "a machine type that is too new",
      { from: "11.1", to: "10.0", source: { machineType: "pc-i440fx-11.1" } },
      "machine-type-unknown",
      "source.machineType",
      /QEMU 11.1 or newer/,
    ],
    [
      "a machine type that is too old",
      { from: "7.2", to: "11.1", source: { machineType: "pc-i440fx-2.4" } },
      "machine-type-unknown",
      "source.machineType",
      /from 2.4 on, older than 11.1/,
    ],
    [
      "another amount of memory",
      { source: { memoryBytes: 2 * GiB } },
      "memory-differs",
      "definition.memoryBytes",
      /Correct/,
    ],
    ["more vCPUs", { source: { cpus: 2 } }, "cpus-differ", "definition.cpus", /Correct/],
    [
      "another accelerator",
      { source: { accelerator: "kvm" } },
      "accelerator-differs",
      "definition.accelerator",
      /Correct/,
    ],
    [
      "no VFIO",
      {
        source: { vfioDevices: [vfioDevice("net0")] },
        target: { qemu: qemuProbe("10.0", { vfioProperties: [] }) },
      },
      "vfio-missing",
      "target.qemu.vfioProperties",
      /built with VFIO/,
    ],
    [
      "an unknown VFIO property in the definition",
      {
        to: "7.2",
        source: { vfioDevices: [vfioDevice("net0", { "enable-migration": "auto" })] },
        definition: { devices: [{ driver: "vfio-pci", id: "net0", "enable-migration": "on" }] },
      },
      "vfio-property-missing",
      "target.qemu.vfioProperties",
      /enable-migration/,
    ],
    [
      "a VFIO device that needs multifd",
      { source: { vfioDevices: [vfioDevice("net0", { "x-migration-multifd-transfer": "on" })] } },
      "vfio-needs-multifd",
      "policy.capabilities.multifd",
      /multifd/,
    ],
    [
      "another UUID",
      {
        source: { uuid: "5d7e2b1c-98f3-4bb1-8e0a-3c7ad7c2a111" },
        policy: { capabilities: { "validate-uuid": "ask" } },
      },
      "uuid-differs",
      "definition.uuid",
      /Correct/,
    ],
  ];

  it.each(oneOf)("%s", (_title, input, code, field, cure) => {
    expect(refuse(input)).toEqual([
      { code, field, message: expect.stringMatching(/./), cure: expect.stringMatching(cure) },
    ]);
  });

  it.each([
    ["suspended", "10.0", "11.1", true],
    ["suspended", "7.2", "10.0", false],
    ["suspended", "10.0", "7.2", false],
    ["io-error", "7.2", "10.0", true],
    ["guest-panicked", "10.0", "10.0", true],
    ["prelaunch", "10.0", "10.0", true],
    ["internal-error", "10.0", "10.0", false],
  ] as const)("%s from QEMU %s to %s: may move %s", (runState, from, to, may) => {
    const input = { from, to, source: { runState } };
    if (may) return expect(agree(input)).toBeDefined();
    const message = `Expected a run state that can be migrated from QEMU ${from} to ${to}, got \`${runState}\``;
    expect(refuse(input)).toContainEqual(
      expect.objectContaining({
        code: "run-state",
        message,
        cure: expect.stringMatching(/^[A-Z]/),
      }),
    );
  });

  it.each([
    ["0000:00:01.0/nvme: non-migratable device", /^Detach that device/],
    ["net0: Migration is disabled for VFIO device", /enable-migration=on/],
    ["net0: VFIO migration is not supported in kernel", /VFIO driver that supports migration/],
    ["net0: VFIO migration init failed: x", /VFIO driver that supports migration/],
    ["net0: VFIO device doesn't support device and IOMMU dirty tracking", /IOMMU/],
    [
      "Multiple VFIO devices migration is supported only if all of them support P2P migration",
      /P2P/,
    ],
    ["net0: Migration is currently not supported with vIOMMU enabled", /without a virtual IOMMU/],
    ["something nobody has seen", /Remove what QEMU names/],
  ])("QEMU's own: %s", (text, cure) => {
    expect(refuse({ source: { blockers: [text] } })).toEqual([
      {
        code: "blocked",
        field: "source.blockers",
        message: `QEMU refuses to migrate this guest: ${text}`,
        cure: expect.stringMatching(cure),
      },
    ]);
  });

  it("are all listed at once", () => {
    const found = refuse({
      source: { runState: "inmigrate", blockers: ["one", "two"] },
      target: { vmPresent: true, memoryFreeBytes: 0 },
      policy: { capabilities: { "x-colo": "require" }, parameters: { "multifd-channels": 0 } },
    });
    expect(found.map(({ code }) => code).toSorted()).toEqual([
      "blocked",
      "blocked",
      "invalid-parameter",
      "memory-short",
      "run-state",
      "unusable-capability",
      "vm-present",
    ]);
  });

  it("one problem is listed once", () => {
    const capabilities = { "dirty-limit": "require", "auto-converge": "require" };
    const found = refuse({ policy: { capabilities } });
    expect(new Set(found.map(({ field }) => field)).size).toBe(found.length);
  });

  it("a deprecated machine type is a remark, no blocker", () => {
    expect(reason(agree({ from: "7.2", to: "11.1" }), "machine-type")).toMatch(/deprecated/);
  });

  it("a machine type of Proxmox's moves to Proxmox's QEMU only", () => {
    const definition = { machine: "pc-i440fx-10.0+pve1" };
    const { qemu } = targetProbe("10.0");
    const version = { ...qemu.version, package: "pve-qemu-kvm_10.0.2-4" };
    expect(agree({ definition, target: { qemu: { ...qemu, version } } })).toBeDefined();
    expect(refuse({ definition })).toEqual([
      expect.objectContaining({ code: "machine-type-unknown", field: "definition.machine" }),
    ]);
  });

  it("memory and CPU devices of the definition add to its numbers", () => {
    const devices = [
      { driver: "pc-dimm", id: "dimm0", memdev: "mem0" },
      { driver: "qemu64-x86_64-cpu", id: "cpu1" },
    ];
    const objects = [{ "qom-type": "memory-backend-ram", id: "mem0", size: GiB }];
    const definition = { devices, objects };
    expect(agree({ source: { memoryBytes: 2 * GiB, cpus: 2 }, definition })).toBeDefined();
  });
});
