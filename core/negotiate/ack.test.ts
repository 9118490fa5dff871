import { describe, expect, it } from "vitest";
import { agree, type Case, on, reason, refuse } from "./testing/negotiating.ts";
import { qemuProbe, vfioDevice } from "./testing/probes.ts";

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

  it("a global overrides the machine type at both sides", () => {
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

  it("off when the sides use different ones, and a blocker when it is required", () => {
    expect(on(agree(differing).source)).toEqual(["events", "return-path"]);
    const policy = { capabilities: { "switchover-ack": "require" } };
    expect(refuse({ ...differing, policy })).toMatchObject([
      { code: "ack-differs", field: "policy.capabilities.switchover-ack" },
    ]);
  });

  it("off when a QEMU from 11.1 on does not report which one it uses", () => {
    const machines = [{ name: "pc-i440fx-11.1", deprecated: false }];
    const agreement = agree({ from: "11.1", target: { qemu: qemuProbe("11.1", { machines }) } });
    expect(agreement.ackMode).toBe("none");
    expect(reason(agreement, "switchover-ack")).toMatch(/target's QEMU does not report/);
  });
});
