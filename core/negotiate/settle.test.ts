import { describe, expect, it } from "vitest";
import { agree, on, reason, refuse } from "./testing/negotiating.ts";
import { qemuProbe, vfioDevice } from "./testing/probes.ts";

describe("wishes", () => {
  it("ask: on where both sides support it, else off with the reason", () => {
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
    "%s required, and one side lacks it: a blocker that names the side",
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

  it("postcopy-ram is off with VFIO devices, and refused when it is required", () => {
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
