import { describe, expect, it } from "vitest";
import { negotiate } from "./negotiate.ts";
import { Agreement, Blocker } from "./negotiation.ts";
import { MigrationPolicy } from "./policy.ts";
import type { SourceProbe, TargetProbe } from "./probe.ts";
import {
  commonMachine,
  GiB,
  type KnownRelease,
  qemuProbe,
  releases,
  sourceProbe,
  targetProbe,
  vfioDevice,
  vmDefinition,
} from "./testing/probes.ts";

type Case = {
  from?: KnownRelease;
  to?: KnownRelease;
  policy?: Record<string, unknown>;
  source?: Partial<SourceProbe>;
  target?: Partial<TargetProbe>;
  definition?: Record<string, unknown>;
};

function run({ from = "10.0", to = from, policy = {}, source, target, definition }: Case) {
  const machineType = commonMachine(from, to);
  return negotiate({
    source: sourceProbe(from, { machineType, ...source }),
    target: targetProbe(to, target),
    policy: MigrationPolicy.parse(policy),
    definition: vmDefinition(definition),
  });
}

function agree(input: Case): Agreement {
  const result = run(input);
  if (!result.agreed) throw new Error(JSON.stringify(result.blockers, null, 1));
  return Agreement.parse(result.agreement);
}

function refuse(input: Case): Blocker[] {
  const result = run(input);
  if (result.agreed) throw new Error("Expected a refusal");
  return result.blockers.map((blocker) => Blocker.parse(blocker));
}

const on = (side: { capabilities: Record<string, boolean> }) =>
  Object.keys(side.capabilities)
    .filter((name) => side.capabilities[name])
    .toSorted();
const reason = ({ choices }: Agreement, subject: string) =>
  choices.find((choice) => choice.subject === subject)?.reason;

describe("without wishes", () => {
  it.each(releases.flatMap((from) => releases.map((to) => [from, to] as const)))(
    "%s to %s: events everywhere, return path, and the ACK where both have it",
    (from, to) => {
      const agreement = agree({ from, to });
      const both = from !== "7.2" && to !== "7.2";
      const ack = both ? ["switchover-ack"] : [];
      expect(on(agreement.source)).toEqual(["events", "return-path", ...ack]);
      expect(on(agreement.target)).toEqual(both ? ["events", "return-path", ...ack] : ["events"]);
      expect(agreement.machineType).toBe(commonMachine(from, to));
      expect(Object.keys(agreement.source.capabilities)).toEqual(qemuProbe(from).capabilities);
      expect(Object.keys(agreement.target.capabilities)).toEqual(qemuProbe(to).capabilities);
    },
  );

  it("each capability that is on, and each parameter, has a reason", () => {
    const agreement = agree({ policy: { capabilities: { multifd: "ask" } } });
    const subjects = agreement.choices.map(({ subject }) => subject);
    expect(subjects).toEqual(expect.arrayContaining(on(agreement.source)));
    expect(subjects).toEqual(expect.arrayContaining(Object.keys(agreement.source.parameters)));
    expect(subjects).toEqual(expect.arrayContaining(["ack", "transport"]));
    expect(new Set(subjects).size).toBe(subjects.length);
    expect(agreement.choices.every((choice) => choice.reason.length > 0)).toBe(true);
  });

  it("says why the ACK is off with QEMU 7.2", () => {
    expect(reason(agree({ to: "7.2" }), "switchover-ack")).toBe(
      "off: the target's QEMU 7.2.2 does not have it",
    );
  });
});

describe("the ACK", () => {
  const two = [vfioDevice("net0"), vfioDevice("gpu0")];

  it.each([
    ["10.0", "10.0", undefined, "legacy"],
    ["10.0", "11.1", undefined, "legacy"],
    ["11.1", "10.0", undefined, "legacy"],
    ["11.1", "11.1", "pc-i440fx-10.0", "legacy"],
    ["11.1", "11.1", "pc-i440fx-11.1", "none"],
    ["7.2", "7.2", undefined, "none"],
    ["7.2", "11.1", undefined, "none"],
  ] as const)(
    "%s to %s with machine type %s and no VFIO device: %s",
    (from, to, machineType, mode) => {
      const agreement = agree({ from, to, ...(machineType ? { source: { machineType } } : {}) });
      expect([agreement.ackMode, agreement.ackDevices]).toEqual([mode, []]);
    },
  );

  it("per device from machine type 11.1 on, when there are VFIO devices", () => {
    const agreement = agree({ from: "11.1", source: { vfioDevices: two } });
    expect(agreement.ackMode).toBe("per-device");
    expect(agreement.ackDevices).toEqual(["net0", "gpu0"]);
  });

  it("legacy names the devices that will ask", () => {
    const agreement = agree({ source: { vfioDevices: two } });
    expect([agreement.ackMode, agreement.ackDevices]).toEqual(["legacy", ["net0", "gpu0"]]);
  });

  it("none is awaited for a guest that is not running", () => {
    const agreement = agree({ source: { vfioDevices: two, runState: "paused" } });
    expect(agreement.ackMode).toBe("none");
    expect(agreement.source.capabilities["switchover-ack"]).toBe(true);
  });

  it("none when it is forbidden", () => {
    const agreement = agree({ policy: { capabilities: { "switchover-ack": "forbid" } } });
    expect(agreement.ackMode).toBe("none");
    expect(on(agreement.source)).not.toContain("switchover-ack");
    expect(reason(agreement, "switchover-ack")).toMatch(
      /policy.capabilities.switchover-ack forbids/,
    );
  });

  it("a global outdoes the machine type at both ends", () => {
    const legacy = { globals: ["migration.switchover-ack-legacy=on"] };
    expect(agree({ from: "11.1", definition: legacy }).ackMode).toBe("legacy");
    const perDevice = { globals: ["migration.switchover-ack-legacy=off"] };
    const mixed = agree({ from: "10.0", to: "11.1", definition: perDevice });
    expect(on(mixed.source)).not.toContain("switchover-ack");
    expect(reason(mixed, "switchover-ack")).toMatch(/the migration would hang/);
  });

  const differing: Case = {
    from: "11.1",
    source: { machineType: "pc-i440fx-10.0" },
    target: {
      qemu: qemuProbe("11.1", {
        machines: [{ name: "pc-i440fx-10.0", deprecated: false, switchoverAckLegacy: false }],
      }),
    },
  };

  it("off when the ends would not understand each other, and a blocker when it is required", () => {
    expect(on(agree(differing).source)).toEqual(["events", "return-path"]);
    const policy = { capabilities: { "switchover-ack": "require" } };
    expect(refuse({ ...differing, policy })).toMatchObject([
      { code: "ack-differs", field: "policy.capabilities.switchover-ack" },
    ]);
  });

  it("off when a QEMU from 11.1 on does not tell which one it speaks", () => {
    const machines = [{ name: "pc-i440fx-11.1", deprecated: false }];
    const agreement = agree({ from: "11.1", target: { qemu: qemuProbe("11.1", { machines }) } });
    expect(agreement.ackMode).toBe("none");
    expect(reason(agreement, "switchover-ack")).toMatch(/target's QEMU does not say/);
  });

  it("off, like the return path, through a tunnel", () => {
    const agreement = agree({ policy: { flags: ["TUNNELLED", "PEER2PEER"] } });
    expect([on(agreement.source), on(agreement.target)]).toEqual([["events"], ["events"]]);
    expect([agreement.transport, agreement.ackMode]).toEqual(["tunnelled", "none"]);
  });
});

describe("wishes", () => {
  it("ask: on where both ends can, else off with the reason", () => {
    const policy = {
      capabilities: { "dirty-limit": "ask", multifd: "ask", "auto-converge": "ask" },
    };
    const agreement = agree({ policy });
    expect(on(agreement.source)).toContain("multifd");
    expect(on(agreement.target)).toContain("multifd");
    expect(on(agreement.source)).toContain("auto-converge");
    expect(on(agreement.target)).not.toContain("auto-converge");
    expect(reason(agreement, "dirty-limit")).toMatch(/either of then|requires KVM/);
  });

  it("dirty-limit is on with KVM and a dirty ring", () => {
    const agreement = agree({
      policy: { capabilities: { "dirty-limit": "require" } },
      source: { accelerator: "kvm", dirtyRing: true },
      definition: { accelerator: "kvm" },
    });
    expect(on(agreement.source)).toContain("dirty-limit");
  });

  it("an asked capability gives way to a required one", () => {
    const keepsXbzrle = agree({ policy: { capabilities: { multifd: "ask", xbzrle: "require" } } });
    expect(on(keepsXbzrle.source)).toEqual(["events", "return-path", "switchover-ack", "xbzrle"]);
    expect(reason(keepsXbzrle, "multifd")).toBe(
      'off: QEMU says "Multifd is not compatible with xbzrle"',
    );
    const keepsMultifd = agree({ policy: { capabilities: { multifd: "ask", xbzrle: "ask" } } });
    expect(on(keepsMultifd.target)).toContain("multifd");
  });

  it("what a required capability needs is required too", () => {
    const capabilities = { "zero-copy-send": "require", multifd: "ask", "postcopy-ram": "ask" };
    const agreement = agree({ policy: { capabilities } });
    expect(on(agreement.source)).toEqual(expect.arrayContaining(["multifd", "zero-copy-send"]));
    expect(reason(agreement, "postcopy-ram")).toMatch(/not yet compatible with multifd/);
  });

  it("two that are required and exclude each other are a blocker with QEMU's text", () => {
    const capabilities = { multifd: "require", "postcopy-ram": "require" };
    expect(refuse({ policy: { capabilities } })).toMatchObject([
      { code: "excluded-capability", message: expect.stringContaining("not yet compatible") },
    ]);
    for (const release of ["7.2", "11.1"] as const) {
      expect(on(agree({ from: release, policy: { capabilities } }).target)).toEqual(
        expect.arrayContaining(["multifd", "postcopy-ram"]),
      );
    }
  });

  it.each([
    ["multifd", "10.0", "11.1"],
    ["switchover-ack", "7.2", "10.0"],
  ] as const)(
    "%s required, and one end lacks it: a blocker that names the end",
    (name, from, to) => {
      const lacking = qemuProbe(to);
      const capabilities = lacking.capabilities.filter((capability) => capability !== name);
      const target = { qemu: { ...lacking, capabilities } };
      const found = refuse({ from, to, target, policy: { capabilities: { [name]: "require" } } });
      expect(found).toMatchObject([
        { code: "capability-absent", field: `policy.capabilities.${name}` },
      ]);
      expect(found[0]?.message).toContain(`the target's QEMU ${to}.2`);
    },
  );

  it("postcopy-ram is left out with VFIO devices, and refused when it is required", () => {
    const source = { vfioDevices: [vfioDevice("net0")] };
    const asked = agree({ source, policy: { capabilities: { "postcopy-ram": "ask" } } });
    expect(reason(asked, "postcopy-ram")).toMatch(/VFIO devices \(net0\)/);
    expect(refuse({ source, policy: { flags: ["POSTCOPY"] } })).toMatchObject([
      { code: "excluded-capability", field: "policy.flags.POSTCOPY" },
    ]);
  });

  it("postcopy-ram needs userfaultfd on the target", () => {
    const target = { userfaultfd: false };
    const required = { capabilities: { "postcopy-ram": "require" } };
    expect(refuse({ target, policy: required })).toMatchObject([{ code: "userfaultfd-missing" }]);
  });

  it("a capability that is not known here is switched off", () => {
    const qemu = qemuProbe("11.1");
    const capabilities = [...qemu.capabilities, "brand-new"];
    const agreement = agree({ from: "11.1", target: { qemu: { ...qemu, capabilities } } });
    expect(agreement.target.capabilities["brand-new"]).toBe(false);
  });
});

describe("parameters", () => {
  it("those that an earlier migration may have changed are set", () => {
    const { source, target } = agree({ from: "11.1" });
    expect(source.parameters).toEqual({
      "throttle-trigger-threshold": 50,
      "cpu-throttle-initial": 20,
      "cpu-throttle-increment": 10,
      "cpu-throttle-tailslow": false,
      "max-cpu-throttle": 99,
      "tls-creds": "",
      "tls-hostname": "",
      "max-bandwidth": 0,
      "avail-switchover-bandwidth": 0,
      "downtime-limit": 300,
      "multifd-channels": 2,
      "xbzrle-cache-size": 67_108_864,
      "max-postcopy-bandwidth": 0,
      "multifd-compression": "none",
      "multifd-zlib-level": 1,
      "multifd-zstd-level": 1,
      "multifd-qatzip-level": 1,
      "vcpu-dirty-limit": 1,
      "x-vcpu-dirty-limit-period": 1000,
      mode: "normal",
      "zero-page-detection": "multifd",
    });
    expect(target.parameters).toEqual({
      "announce-initial": 50,
      "announce-max": 550,
      "announce-rounds": 5,
      "announce-step": 100,
      "tls-creds": "",
      "tls-authz": "",
      "multifd-channels": 2,
      "multifd-compression": "none",
      "multifd-zlib-level": 1,
      "multifd-zstd-level": 1,
      "multifd-qatzip-level": 1,
    });
  });

  it("given ones go to the ends that use them", () => {
    const { source, target } = agree({
      policy: {
        downtimeLimitMs: 40,
        capabilities: { multifd: "require" },
        parameters: { "multifd-channels": 8, "announce-rounds": 9, "max-bandwidth": "1000" },
      },
    });
    expect([source.parameters["multifd-channels"], target.parameters["multifd-channels"]]).toEqual([
      8, 8,
    ]);
    expect(source.parameters["downtime-limit"]).toBe(40);
    expect(source.parameters["max-bandwidth"]).toBe(1000);
    expect(source.parameters).not.toHaveProperty("announce-rounds");
    expect(target.parameters["announce-rounds"]).toBe(9);
    expect(target.parameters).not.toHaveProperty("downtime-limit");
  });

  it("the link's bandwidth is set where QEMU knows it, and left out with a reason elsewhere", () => {
    const policy = { switchoverBandwidthBytesPerSecond: 1_000_000 };
    expect(agree({ policy }).source.parameters["avail-switchover-bandwidth"]).toBe(1_000_000);
    const old = agree({ from: "7.2", policy });
    expect(old.source.parameters).not.toHaveProperty("avail-switchover-bandwidth");
    expect(reason(old, "avail-switchover-bandwidth")).toMatch(/not set: the source's QEMU 7.2.2/);
  });

  it("an explicit parameter that an end lacks is a blocker", () => {
    const policy = { parameters: { "avail-switchover-bandwidth": 1_000_000 } };
    expect(refuse({ from: "7.2", policy })).toMatchObject([
      { code: "parameter-absent", field: "policy.parameters.avail-switchover-bandwidth" },
    ]);
    expect(agree({ from: "10.0", to: "7.2", policy })).toBeDefined();
  });

  it("multifd-compression must be in both builds", () => {
    const target = { qemu: qemuProbe("10.0", { multifdCompression: ["none", "zlib"] }) };
    const policy = (method: string) => ({
      capabilities: { multifd: "require" },
      parameters: { "multifd-compression": method },
    });
    expect(refuse({ target, policy: policy("zstd") })).toMatchObject([
      {
        code: "compression-unsupported",
        field: "policy.parameters.multifd-compression",
        cure: "Use one that both builds have: none, zlib",
      },
    ]);
    const { source, target: there } = agree({ target, policy: policy("zlib") });
    expect(source.parameters["multifd-compression"]).toBe("zlib");
    expect(there.parameters["multifd-compression"]).toBe("zlib");
  });

  it("a target before 9.0 is never sent zero pages that multifd leaves out", () => {
    const multifd = { capabilities: { multifd: "require" } };
    const { source } = agree({ from: "10.0", to: "7.2", policy: multifd });
    expect(source.parameters["zero-page-detection"]).toBe("legacy");
    const policy = { ...multifd, parameters: { "zero-page-detection": "multifd" } };
    expect(refuse({ from: "10.0", to: "7.2", policy })).toMatchObject([
      { code: "zero-pages-unreadable" },
    ]);
  });

  it("a parameter without its capability is set, and the reason says that it has no effect", () => {
    const agreement = agree({ policy: { parameters: { "multifd-channels": 4 } } });
    expect(reason(agreement, "multifd-channels")).toMatch(/no effect, as `multifd` is off/);
  });

  it("compression drops zero-copy-send that was only asked for", () => {
    const agreement = agree({
      policy: {
        capabilities: { multifd: "require", "zero-copy-send": "ask" },
        parameters: { "multifd-compression": "zstd" },
      },
    });
    expect(on(agreement.source)).not.toContain("zero-copy-send");
  });
});

describe("blockers", () => {
  const oneOf: [title: string, input: Case, code: string, field: string, cure: RegExp][] = [
    [
      "postmigrate",
      { source: { runState: "postmigrate" } },
      "run-state",
      "source.runState",
      /moved already/,
    ],
    [
      "inmigrate",
      { source: { runState: "inmigrate" } },
      "run-state",
      "source.runState",
      /into this host/,
    ],
    ["io-error", { source: { runState: "io-error" } }, "run-state", "source.runState", /first/],
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
      "the CPU model",
      { target: { cpuModelAvailable: false } },
      "cpu-model-unavailable",
      "target.cpuModelAvailable",
      /CPU/,
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
      /between 2.4 and one older than 11.1/,
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
      "a VFIO device that insists on multifd",
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

  it("all of them are listed at once", () => {
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

  it("a problem is told once", () => {
    const capabilities = { "dirty-limit": "require", "auto-converge": "require" };
    const found = refuse({ policy: { capabilities } });
    expect(new Set(found.map(({ field }) => field)).size).toBe(found.length);
  });

  it("a deprecated machine type is only told", () => {
    expect(reason(agree({ from: "7.2", to: "11.1" }), "machine-type")).toMatch(/deprecated/);
  });

  it("memory and CPU devices of the definition count", () => {
    const devices = [
      { driver: "pc-dimm", id: "dimm0", memdev: "mem0" },
      { driver: "qemu64-x86_64-cpu", id: "cpu1" },
    ];
    expect(
      agree({ source: { memoryBytes: 2 * GiB, cpus: 2 }, definition: { devices } }),
    ).toBeDefined();
  });
});
