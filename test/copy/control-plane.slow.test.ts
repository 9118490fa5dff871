import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition } from "../../rig/guest/boot-disk.ts";
import { dataDevice, parseDataLog, writeDataGuestDisk } from "../../rig/guest/data-guest.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { PATIENCE_MS, Stage, unlessQemu } from "../e2e/testing/stage.ts";
import { checkImage, createImage, type Format } from "./testing/check-image.ts";
import { canCopy } from "./testing/copy-pair.ts";

vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: 2 * PATIENCE_MS });

const SECTORS = 256;
const SECTORS_A_TICK = 8;
/** No disk is smaller. */
const DISK_BYTES = 2 ** 20;
/** Then the guest has read all that it had written on the other host. */
const LAP_TICKS = 1.5 * (SECTORS / SECTORS_A_TICK);
const WAIT = { timeoutMs: PATIENCE_MS };
const formats: Format[] = ["raw", "qcow2"];

describe.skipIf(!canCopy)(`copied disks through the control plane${unlessQemu}`, () => {
  let stage: Stage;
  const imageOf = (host: string, vm: string) => join(stage.fleet.folder, `${host}-images`, vm);
  const readingOf = (host: string, vm: string) => {
    const reading = parseDataLog(readFileSync(stage.fleet.serialLog(host, vm), "utf8")).at(-1);
    if (reading === undefined) throw new Error(`Expected ${vm} on ${host} to have said something`);
    return reading;
  };
  const disk = (name: string, driver: string, file: string) => {
    const filename = { $host: "disks", type: "folder", file };
    return { driver, "node-name": name, file: { driver: "file", filename } };
  };
  const boot = () => join(stage.fleet.folder, "data-boot.img");

  /** It writes the disk round and round, and checks it. */
  async function startGuest(vm: string, format: Format): Promise<void> {
    await createImage(imageOf("host-a", vm), format, SECTORS);
    const { blockdevs, devices } = bootDiskDefinition(boot());
    const definition = VmDefinition.parse({
      memoryBytes: 2 ** 26,
      blockdevs: [...blockdevs, disk("data", format, vm)],
      devices: [...devices, dataDevice()],
    });
    await stage.fleet.startVm(vm, "host-a", definition);
    await checksOn(vm, "host-a");
  }

  /** It has read every sector since now, and found what it wrote. */
  async function checksOn(vm: string, host: string): Promise<void> {
    const serial = stage.fleet.serialLog(host, vm);
    const { counter: before } = await waitForCounter(serial, () => true, WAIT);
    await waitForCounter(serial, ({ counter }) => counter > before + LAP_TICKS, WAIT);
    expect(readingOf(host, vm)).toMatchObject({ errors: 0, diskErrors: 0 });
  }

  beforeAll(async () => {
    stage = await Stage.start({ imagesFolder: "disks", startMs: PATIENCE_MS });
    await writeDataGuestDisk(join(stage.fleet.folder, "data-boot.img"), {
      dataSectors: SECTORS,
      sectorsPerTick: SECTORS_A_TICK,
      dirtyBytesPerSecond: 2 ** 20,
      workingSetBytes: 2 ** 22,
    });
  });
  afterAll(() => stage?.close(), PATIENCE_MS);

  it.each(formats)("%s: arrive with the last write, figures in the record", async (format) => {
    await startGuest(format, format);
    const before = readingOf("host-a", format);
    const policy = { tls: "psk", storage: { data: "copy" } } as const;
    const move = { vm: format, target: "host-b", policy } as const;
    const dry = await stage.api.dryRunMigration(move);
    expect(dry).toMatchObject({ agreed: true, twinCheck: { differencesTotal: 0 } });
    expect(existsSync(imageOf("host-b", format))).toBe(false);
    const { id } = await stage.api.createMigration(move);
    const moved = await stage.fleet.waitForMigration(id, WAIT);
    expect(moved).toMatchObject({ status: "completed" });
    // What was written last on host-a is read here, too.
    await checksOn(format, "host-b");
    const after = readingOf("host-b", format);
    await stage.api.deleteVm(format, { mode: "quit" });
    await stage.hasExited(format, "host-b");

    for (const [host, reported] of [["host-a", before] as const, ["host-b", after] as const]) {
      const image = imageOf(host, format);
      const { problems } = await checkImage(image, format, { dataSectors: SECTORS, reported });
      expect(problems).toEqual([]);
    }
    const paths = {
      sourcePath: imageOf("host-a", format),
      targetPath: imageOf("host-b", format),
    };
    expect(moved.agreement?.copies).toMatchObject([{ format, ...paths }]);
    expect(moved.progress).toMatchObject({ diskRemainingBytes: 0 });
    expect(moved.progress?.diskTotalBytes).toBeGreaterThanOrEqual(DISK_BYTES);
    expect(moved.prediction).toMatchObject({ diskBytes: DISK_BYTES });
    expect(moved.twinCheck?.storage?.files.map(({ proof }) => proof)).toContain("copied");
  });

  it("go with an evacuation where the VM's own rule names them", async () => {
    await startGuest("ruled", "raw");
    const before = readingOf("host-a", "ruled");
    await stage.api.defineVm("ruled", { storage: { data: "move" } });
    const asked = { hosts: ["host-a"], policy: { tls: "psk" as const } };
    const open = await stage.api.dryRunEvacuation({ hosts: ["host-a"] });
    expect(open.plan).toMatchObject({ moves: [], unplaced: [{ vm: "ruled" }] });
    expect(JSON.stringify(open.plan.explanations)).toContain("copy-needs-tls");
    const guessed = await stage.api.dryRunEvacuation(asked);
    expect(guessed.plan.assumptions.join()).toContain("The sizes of 1 disks");

    await stage.api.dryRunMigration({ vm: "ruled", target: "host-b", policy: { tls: "psk" } });
    expect(await stage.api.getVm("ruled")).toMatchObject({ diskSizes: { data: DISK_BYTES } });
    const known = await stage.api.dryRunEvacuation(asked);
    expect(known.plan.assumptions.join()).not.toContain("The sizes of");
    expect(known.plan.bytes).toBe(2 ** 26 + DISK_BYTES);

    const { id } = await stage.api.createEvacuation(asked);
    await stage.api.approveEvacuation(id, 1, "ops");
    await vi.waitFor(
      async () => expect((await stage.api.getEvacuation(id)).status).toMatch(/^completed/),
      { timeout: PATIENCE_MS, interval: 500 },
    );
    expect(await stage.api.getEvacuation(id)).toMatchObject({ counters: { total: 1, moved: 1 } });
    await checksOn("ruled", "host-b");
    const after = readingOf("host-b", "ruled");
    expect(existsSync(imageOf("host-a", "ruled"))).toBe(false);
    await stage.api.deleteVm("ruled", { mode: "quit" });
    await stage.hasExited("ruled", "host-b");
    const reported = { ...after, lap: Math.max(before.lap, after.lap) };
    const checked = { dataSectors: SECTORS, reported };
    const { problems } = await checkImage(imageOf("host-b", "ruled"), "raw", checked);
    expect(problems).toEqual([]);
    await stage.api.uncordonHost("host-a", { owner: "ops" });
  });

  it("are refused by a dry run that says why, and leaves nothing", async () => {
    const { blockdevs, devices } = bootDiskDefinition(boot());
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", imageOf("host-a", "huge"), "8T"]);
    await createImage(imageOf("host-a", "small"), "raw", SECTORS);
    const large = { driver: "virtio-blk-pci", id: "large", drive: "huge" };
    const definition = VmDefinition.parse({
      memoryBytes: 2 ** 26,
      blockdevs: [...blockdevs, disk("data", "raw", "small"), disk("huge", "qcow2", "huge")],
      devices: [...devices, dataDevice(), large],
    });
    await stage.fleet.startVm("refused", "host-a", definition);
    const reasons = async (storage: Record<string, "copy">, tls: "psk" | "off" = "psk") => {
      const asked = { vm: "refused", target: "host-b", policy: { tls, storage } } as const;
      const { agreed, blockers } = await stage.api.dryRunMigration(asked);
      return agreed ? "agreed" : blockers.map(({ code, message }) => `${code}: ${message}`).join();
    };
    const there = imageOf("host-b", "small");
    const others = () => readdirSync(join(stage.fleet.folder, "host-b-images"));

    const before = others();
    expect(await reasons({ nodisk: "copy" })).toMatch(/disk-not-copied: Disk nodisk: .*data, huge/);
    expect(await reasons({ huge: "copy" })).toMatch(/copy-needs-room: .*may grow to 8\S* TiB/);
    await expect(reasons({ data: "copy" }, "off")).rejects.toThrow(/policy.tls.*to be psk/);
    const [shared = ""] = blockdevs.map((node) => String(node["node-name"]));
    expect(await reasons({ [shared]: "copy" })).toMatch(/read-only|already/);
    writeFileSync(there, "somebody's");
    expect(await reasons({ data: "copy" })).toMatch(/the target has a file \S*small already/);
    expect(readFileSync(there, "utf8")).toBe("somebody's");
    rmSync(there);
    // Its other disk is not there.
    expect(await reasons({ data: "copy" })).toMatch(/^rehearsal-failed: .*huge': No such file/s);
    expect(others()).toEqual(before);
  });

  it("are refused for many VMs at once", async () => {
    const policy = { tls: "psk", storage: { data: "copy" } } as const;
    const asked = stage.api.dryRunEvacuation({ hosts: ["host-a"], policy });
    await expect(asked).rejects.toThrow(/in the rules of each VM/);
  });
});
