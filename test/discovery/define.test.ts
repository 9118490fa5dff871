import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { TestHost } from "../agent/testing/host.ts";

const MIB = 2 ** 20;
/** Each proof starts a QEMU, beside whatever else the machine does. */
vi.setConfig({ testTimeout: 90_000 });
const qemu = findQemu();

describe.skipIf(qemu === undefined)("a definition of a guest that runs", () => {
  let host: TestHost;
  beforeEach(() => {
    host = new TestHost("host", { qemu });
  });
  afterEach(() => host.close());

  const given = VmDefinition.parse({
    machine: "pc",
    memoryBytes: 64 * MIB,
    devices: [{ driver: "virtio-rng-pci", id: "rng0", rng: "r" }],
    objects: [{ "qom-type": "rng-builtin", id: "r" }],
  });
  const define = (definition: VmDefinition, acceptDifferences: string[] = []) =>
    host.run("guest.define", "vm1", { definition, acceptDifferences });
  const known = () => host.guests.get(host.vm("vm1")).manifest.definition;

  it("follows a device that was plugged in, and is refused while it does not", async () => {
    const { definition } = await host.run("guest.start", "vm1", { definition: given });
    const { qmp } = host.guests.get(host.vm("vm1"));
    const balloon = { driver: "virtio-balloon-pci", id: "balloon0", bus: "pci.0", addr: "9" };
    await qmp.executeAny("device_add", balloon);
    const wrong = define(definition);
    await expect(wrong).rejects.toThrow(/differs: .*virtio-balloon-pci "balloon0".*gives nothing/);
    const right = { ...definition, devices: [...definition.devices, balloon] };
    expect(await define(right)).toMatchObject({ comparison: { differences: [] } });
    expect(known()).toEqual(right);
    // Repeated, it changes nothing.
    await define(right);
    expect(known()).toEqual(right);
  });

  it("is taken with a difference that is accepted by its name", async () => {
    const { definition } = await host.run("guest.start", "vm1", { definition: given });
    const other = { ...definition, machineOptions: { graphics: false } };
    await expect(define(other)).rejects.toThrow("machine machine: graphics: the guest has");
    expect(known()).toEqual(definition);
    await define(other, ["machine machine: graphics"]);
    expect(known()).toEqual(other);
  });

  it("is refused where no QEMU starts from it, or the host does not allow it", async () => {
    const { definition } = await host.run("guest.start", "vm1", { definition: given });
    const device = { driver: "no-such-device" };
    const broken = { ...definition, devices: [device] };
    await expect(define(broken)).rejects.toThrow(/could not be compared: .*no-such-device/s);
    const loader = { driver: "loader", file: "/etc/shadow" };
    await expect(define({ ...definition, devices: [loader] })).rejects.toThrow("does not allow");
    expect(known()).toEqual(definition);
  });
});
