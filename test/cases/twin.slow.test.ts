import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { unplug } from "../twin/testing/parts.ts";
import { BOOTED_TICKS, CaseStage, idle, MEMORY_BYTES } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const USB = { driver: "qemu-xhci", id: "usb" };
const TABLET = { driver: "usb-tablet", id: "tablet", bus: "usb.0" };
const NIC = { driver: "virtio-net-pci", id: "nic" };

describe.skipIf(qemu === undefined)(`what arrives is what left${unlessQemu}`, () => {
  let cases: CaseStage;
  let vm = "";
  let adopted: ChildProcess | undefined;

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());
  beforeEach(() => {
    vm = cases.nextVm();
  });
  afterEach(async () => {
    await cases?.remove(vm);
    adopted?.kill("SIGKILL");
    adopted = undefined;
  });

  it("A2: a guest with a snapshot behind its definition stays, and nothing is lost", async () => {
    const base = join(cases.fleet.folder, `${vm}-data.img`);
    const overlay = join(cases.fleet.folder, `${vm}-overlay.qcow2`);
    writeFileSync(base, Buffer.alloc(1 << 20));
    await start({
      blockdevs: [{ driver: "file", "node-name": "data", filename: base }],
      devices: [{ driver: "virtio-blk-pci", id: "data-disk", drive: "data" }],
    });
    await cases.operate("host-a", vm, (qmp) =>
      qmp.executeAny("blockdev-snapshot-sync", {
        "node-name": "data",
        "snapshot-file": overlay,
        "snapshot-node-name": "overlay",
      }),
    );
    await isRefused(await move(), {
      name: /^disk .*"data-disk"\): chain$/,
      source: `qcow2(backing: file ${base}, file: file ${overlay})`,
      target: `file ${base}`,
      cure: /commit the snapshot/,
    });
  });

  it("A4: a guest with a device that its definition does not have stays", async () => {
    await start({});
    const device = { driver: "virtio-rng-pci", id: "hot" };
    await cases.operate("host-a", vm, (qmp) => qmp.executeAny("device_add", device));
    await isRefused(await move(), {
      name: /\(virtio-rng-pci "hot"\)$/,
      source: "virtio-rng-pci",
      target: null,
      cure: /added or removed while it ran/,
    });
  });

  it("A4: a load that fails although the difference was accepted has QEMU's own words", async () => {
    await start({});
    const device = { driver: "virtio-rng-pci", id: "hot" };
    await cases.operate("host-a", vm, (qmp) => qmp.executeAny("device_add", device));
    const refused = await move();
    const names = refused.twinCheck?.differences.map(({ name }) => name) ?? [];
    const ended = await cases.ends(await cases.begin(vm, { acceptDifferences: names }));
    expect(ended).toMatchObject({ status: "failed", failure: { code: "migration-failed" } });
    expect(ended.failure?.message).toMatch(/virtio-rng/);
    expect(await cases.becomes(vm, "running")).toMatchObject({ host: "host-a" });
    await cases.countsWithin("host-a", vm, PATIENCE_MS);
  });

  it("A4: a guest without a device that its definition has stays", async () => {
    await start({ devices: [USB, TABLET] });
    await cases.operate("host-a", vm, (qmp) => unplug(qmp, "tablet"));
    await isRefused(await move(), {
      name: /\(usb-tablet "tablet"\)$/,
      source: null,
      target: "usb-tablet",
      cure: /added or removed while it ran/,
    });
    // On another port it is another device.
    await cases.operate("host-a", vm, (qmp) => qmp.executeAny("device_add", TABLET));
    await isRefused(await move(), {
      name: /\(usb-tablet "tablet"\)$/,
      source: null,
      target: "usb-tablet",
      cure: /added or removed while it ran/,
    });
    // The way out: with its device again, the guest moves.
    await cases.operate("host-a", vm, async (qmp) => {
      await unplug(qmp, "tablet");
      await qmp.executeAny("device_add", { ...TABLET, port: "1" });
    });
    const ended = await cases.ends(await cases.begin(vm, {}));
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({ status: "completed", twinCheck: { differencesTotal: 0 } });
    await cases.stage.runsOnlyOn(vm, "host-b");
  });

  it("A5: an adopted guest with a network stays where its definition has none", async () => {
    await adopt({ devices: [NIC] }, [
      "-netdev",
      "user,id=lan",
      "-device",
      JSON.stringify({ ...NIC, netdev: "lan" }),
    ]);
    await isRefused(await move(), {
      name: /^device .*"nic"\): netdev$/,
      source: "lan",
      target: "",
      cure: /definition/,
    });
  });

  it("A6: an adopted guest keeps its CPU", async () => {
    await adopt({}, ["-cpu", "max"]);
    await isRefused(await move(), {
      name: /^vCPUs slot .*: type$/,
      source: "max-x86_64-cpu",
      target: "qemu64-x86_64-cpu",
      cure: /CPU model/,
    });
  });

  it("a difference that the policy accepts by its name is listed and does not refuse", async () => {
    await adopt({}, ["-uuid", "6f9619ff-8b86-4011-b42d-00c04fc964ff"]);
    const refused = await move();
    const names = refused.twinCheck?.differences.map(({ name }) => name) ?? [];
    expect(names).toEqual(["machine machine: uuid"]);
    const ended = await cases.ends(await cases.begin(vm, { acceptDifferences: names }));
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({
      status: "completed",
      twinCheck: {
        differencesTotal: 0,
        harmless: [{ name: names[0], reason: expect.stringContaining("policy") }],
      },
    });
    await cases.countsWithin("host-b", vm, PATIENCE_MS);
  });

  async function definition(parts: Partial<VmDefinition>): Promise<VmDefinition> {
    const path = join(cases.fleet.folder, `${vm}.img`);
    await writeBootDisk(path, idle);
    const { blockdevs, devices } = bootDiskDefinition(path);
    return VmDefinition.parse({
      machine: "pc",
      memoryBytes: MEMORY_BYTES,
      ...parts,
      blockdevs: [...blockdevs, ...(parts.blockdevs ?? [])],
      devices: [...devices, ...(parts.devices ?? [])],
    });
  }

  async function start(parts: Partial<VmDefinition>): Promise<void> {
    await cases.define(vm, await definition(parts), BOOTED_TICKS);
  }

  /** A QEMU that somebody started by hand, and that is brought in with this definition. */
  async function adopt(parts: Partial<VmDefinition>, argv: readonly string[]): Promise<void> {
    const qmpPath = join(cases.fleet.folder, `${vm}.qmp`);
    const serial = join(cases.fleet.folder, `${vm}.serial`);
    const known = await definition(parts);
    const disk = bootDiskDefinition(join(cases.fleet.folder, `${vm}.img`));
    const json = (name: string) => (value: object) => [name, JSON.stringify(value)];
    adopted = spawn(
      qemu ?? "",
      [
        "-nodefaults",
        "-display",
        "none",
        "-machine",
        "pc",
        "-m",
        `${MEMORY_BYTES / 2 ** 20}M`,
        ...disk.blockdevs.flatMap(json("-blockdev")),
        ...disk.devices.flatMap(json("-device")),
        "-serial",
        `file:${serial}`,
        "-qmp",
        `unix:${qmpPath},server=on,wait=off`,
        ...argv,
      ],
      { stdio: "ignore" },
    );
    await waitForCounter(serial, ({ counter }) => counter > 20, { timeoutMs: PATIENCE_MS });
    await cases.api.createVm({ id: vm, host: "host-a", definition: known, adopt: { qmpPath } });
    await cases.becomes(vm, "running");
  }

  async function move() {
    return cases.ends(await cases.begin(vm, {}));
  }

  type Ended = Awaited<ReturnType<typeof move>>;
  type Expected = { name: RegExp; source: string | null; target: string | null; cure: RegExp };

  async function isRefused(ended: Ended, { name, source, target, cure }: Expected): Promise<void> {
    expect(ended).toMatchObject({ status: "failed", failure: { code: "sides-differ" } });
    // `migrate` was never sent.
    expect(ended).not.toHaveProperty("startedAtMs");
    expect(ended.twinCheck?.differences).toContainEqual({
      name: expect.stringMatching(name),
      source,
      target,
      cure: expect.stringMatching(cure),
    });
    expect(ended.twinCheck?.checkMs).toBeGreaterThan(0);
    expect(await cases.becomes(vm, "running")).toMatchObject({ host: "host-a" });
    await cases.stage.hasExited(vm, "host-b");
  }
});
