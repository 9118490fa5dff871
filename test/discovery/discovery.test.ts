import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { TestHost } from "../agent/testing/host.ts";
import { RawQemus } from "./testing/raw-qemu.ts";
import { samples } from "./testing/samples.ts";

/** Each proof starts a QEMU, beside whatever else the machine does. */
vi.setConfig({ testTimeout: 90_000 });
const qemu = findQemu();
let host: TestHost;
let qemus: RawQemus;
beforeEach(() => {
  host = new TestHost("host", { qemu });
  qemus = new RawQemus();
});
afterEach(async () => {
  await host.close();
  await qemus.close();
});

const discover = (qmpPath: string) => host.run("guest.discover", "web", { qmpPath });
const guestsOf = async () => (await host.run("host.guests", "host", {})).items;

/** What an operator does over the guest's monitor. */
async function over<T>(path: string, act: (qmp: QmpClient) => Promise<T>): Promise<T> {
  const qmp = await QmpClient.connect({ path });
  try {
    return await act(qmp);
  } finally {
    await qmp.close();
  }
}

const BARE = ["-nodefaults", "-display", "none", "-m", "64", "-machine", "pc"];

describe.skipIf(qemu === undefined)("the QEMUs of a host", () => {
  it("are found with their owners, and with their monitors, free and taken", async () => {
    for (const sample of samples) {
      const own = new RawQemus();
      try {
        const { pid, monitor } = await own.startSample(sample);
        const find = async () => (await guestsOf()).find((guest) => guest.pid === pid);
        // QEMU may not have closed the connection yet by which its start was awaited.
        const free = await vi.waitFor(async () => {
          const found = await find();
          expect(found).toMatchObject({
            adoptable: true,
            monitors: [{ path: monitor, state: "free" }],
          });
          return found;
        }, 10_000);
        // The paths of the managers' own folders are not those of the test.
        expect(free?.name).toBe({ shell: "wiki", proxmox: "web", libvirt: "db" }[sample.name]);
        const taken = await over(monitor, find);
        expect(taken).toMatchObject({ adoptable: false, monitors: [{ state: "taken" }] });
      } finally {
        await own.close();
      }
    }
  });

  it("include the agent's own, by the VM's name", async () => {
    const definition = VmDefinition.parse({ memoryBytes: 64 << 20 });
    const { pid } = await host.run("guest.start", "mine", { definition });
    const found = (await guestsOf()).find((guest) => guest.pid === pid);
    expect(found).toMatchObject({ owner: "switchyard", vm: "mine", adoptable: false });
  });
});

describe.skipIf(qemu === undefined)("the definition of a QEMU that runs", () => {
  it.each(samples)("of $name is the same machine", async (sample) => {
    const { pid, monitor } = await qemus.startSample(sample);
    const proposal = await discover(monitor);
    expect(proposal).toMatchObject({ pid, comparison: { differences: [] } });
    expect(proposal.notCompared).toBeUndefined();
    expect(proposal.notes.filter(({ outcome }) => outcome === "unknown")).toEqual([]);
    expect(proposal.definition.machine).toMatch(/^pc-/);
    VmDefinition.parse(proposal.definition);
    // Asked again, it is the same.
    expect((await discover(monitor)).digest).toBe(proposal.digest);
  });

  it("has what was plugged in, and a snapshot's overlay, and not what was unplugged", async () => {
    const monitor = qemus.path("m.sock");
    const disk = `file=${qemus.path("disk.raw")},if=none,id=d0,format=raw`;
    const devices = ["virtio-blk-pci,drive=d0,id=disk0", "virtio-scsi-pci,id=scsi0"];
    const options = devices.flatMap((device) => ["-device", device]);
    const argv = [
      ...BARE,
      "-drive",
      disk,
      ...options,
      "-qmp",
      `unix:${monitor},server=on,wait=off`,
    ];
    await qemus.start(argv, monitor);
    const before = await discover(monitor);
    expect(before.comparison?.differences).toEqual([]);
    const iso = { driver: "file", filename: qemus.path("cd.iso") };
    await over(monitor, async (qmp) => {
      await qmp.executeAny("blockdev-snapshot-sync", {
        device: "d0",
        "snapshot-file": qemus.path("over.qcow2"),
        format: "qcow2",
      });
      await qmp.execute("object-add", { "qom-type": "iothread", id: "io1" });
      await qmp.execute("blockdev-add", { "node-name": "iso", "read-only": true, ...iso });
      const cd = { id: "cd0", bus: "scsi0.0", drive: "iso" };
      await qmp.executeAny("device_add", { driver: "scsi-cd", ...cd });
      const rng = { driver: "virtio-balloon-pci", id: "balloon0", bus: "pci.0", addr: "9" };
      await qmp.executeAny("device_add", rng);
    });
    const after = await discover(monitor);
    expect(after.digest).not.toBe(before.digest);
    expect(after.comparison?.differences).toEqual([]);
    expect(after.notes.map(({ option }) => option)).toEqual(
      expect.arrayContaining(["device cd0 (scsi-cd)", "device balloon0 (virtio-balloon-pci)"]),
    );
    const { blockdevs, objects } = after.definition;
    expect(blockdevs).toMatchObject([{ driver: "qcow2", backing: { driver: "raw" } }, iso]);
    expect(objects).toContainEqual({ "qom-type": "iothread", id: "io1" });
  });

  it("is adopted by its digest, and only as long as the guest is as it was", async () => {
    const [sample] = samples;
    if (sample === undefined) throw new Error("Expected a sample");
    const { monitor: qmpPath } = await qemus.startSample(sample);
    const { definition, digest } = await discover(qmpPath);
    const adopt = (changed: object, by = digest) =>
      host.run("guest.adopt", "web", {
        definition: VmDefinition.parse({ ...definition, ...changed }),
        qmpPath,
        digest: by,
      });
    await expect(adopt({ cpus: 1 })).rejects.toThrow(/differs: .*not that of the guest/);
    await expect(adopt({}, "0".repeat(64))).rejects.toThrow(/differs: .*not as it was proposed/);
    // What the twin check does not see may be said better by the operator.
    await adopt({ rtc: { base: "utc" } });
    expect(await host.run("source.probe", "web", {})).toMatchObject({ runState: "running" });
    await expect(discover(qmpPath)).rejects.toThrow("refused");
  });

  it("is not made where another client holds the monitor", async () => {
    const [sample] = samples;
    if (sample === undefined) throw new Error("Expected a sample");
    const { monitor } = await qemus.startSample(sample);
    await over(monitor, () =>
      expect(discover(monitor)).rejects.toThrow(/holds the monitor .*second `-qmp unix/),
    );
    await expect(discover(qemus.path("absent"))).rejects.toThrow("not-found");
  });
});
