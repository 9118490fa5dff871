import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { bootDiskDefinition } from "../../rig/guest/boot-disk.ts";
import { createDataDisk } from "../../rig/guest/data-disk.ts";
import { writeDataGuestDisk } from "../../rig/guest/data-guest.ts";
import { FaultyDisk } from "../../rig/guest/faulty-disk.ts";
import { endlessly, PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { CaseStage, gated, load } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const DATA_SECTORS = 256;

describe.skipIf(qemu === undefined)(`the record says what the guest does${unlessQemu}`, () => {
  let cases: CaseStage;
  let vm = "";

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());
  afterEach(() => cases?.remove(vm));

  beforeEach(() => {
    vm = cases.nextVm();
  });

  it("A7: a guest that an operator stops while a gate holds arrives paused", async () => {
    await cases.start(vm);
    const id = await cases.begin(vm, gated);
    await cases.emits(id, "migration.held");
    await cases.operate("host-a", vm, (qmp) => qmp.execute("stop"));
    await cases.emits(id, "migration.standstill");
    await cases.api.permitSwitchover(id);

    const ended = await cases.ends(id);
    expect(ended).toMatchObject({ status: "completed", arrivedAs: "paused" });
    expect(ended).not.toHaveProperty("runningOn");
    expect(ended).not.toHaveProperty("targetRunningAtMs");
    expect(await cases.runState("host-b", vm)).toBe("paused");
    expect(await cases.becomes(vm, "paused")).toMatchObject({ host: "host-b", runState: "paused" });
  });

  it("A8: a guest that is paused before the move is paused after it", async () => {
    await cases.start(vm);
    await cases.operate("host-a", vm, (qmp) => qmp.execute("stop"));
    await cases.becomes(vm, "paused");
    const ended = await cases.ends(await cases.begin(vm, {}));
    expect(ended).toMatchObject({ status: "completed", arrivedAs: "paused" });
    expect(ended).not.toHaveProperty("runningOn");
    expect(ended).not.toHaveProperty("targetRunningAtMs");
    expect(await cases.becomes(vm, "paused")).toMatchObject({ host: "host-b" });

    await cases.operate("host-b", vm, (qmp) => qmp.execute("cont"));
    await cases.becomes(vm, "running");
    await cases.countsWithin("host-b", vm, PATIENCE_MS);
  });

  it("A9: a guest that powers itself off in precopy is stopped, not lost", async () => {
    const id = await inPrecopy();
    await cases.act("host-a", vm, "power-off");
    const ended = await cases.ends(id);
    expect(ended).toMatchObject({ status: "failed", failure: { code: "guest-shut-down" } });
    expect(ended).not.toHaveProperty("runningOn");
    expect((await cases.becomes(vm, "stopped")).detail).toMatch(/powered itself off/);
  });

  it("A9: a guest that powers itself off outside of a move is stopped", async () => {
    await cases.start(vm);
    await cases.act("host-a", vm, "power-off");
    expect((await cases.becomes(vm, "stopped")).detail).toMatch(/powered itself off/);
  });

  it("A9: a panic in precopy is recorded as a panic", async () => {
    const id = await inPrecopy();
    await cases.act("host-a", vm, "panic");
    const ended = await cases.ends(id);
    expect(ended.status).toBe("failed");
    expect(ended.failure?.message).toMatch(/panic/i);
    expect(await record()).toMatch(/panic/i);
    expect(await cases.api.getVm(vm)).not.toHaveProperty("lockedBy");
  });

  it("A10: a sleeping guest is suspended, and arrives asleep; it wakes up there", async () => {
    await cases.start(vm);
    await cases.act("host-a", vm, "sleep");
    await cases.becomes(vm, "suspended");
    const ended = await cases.ends(await cases.begin(vm, {}));
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({ status: "completed", arrivedAs: "suspended" });
    expect(ended).not.toHaveProperty("runningOn");
    expect(await cases.becomes(vm, "suspended")).toMatchObject({ host: "host-b" });

    await cases.operate("host-b", vm, (qmp) => qmp.executeAny("system_wakeup"));
    await cases.becomes(vm, "running");
    await cases.countsWithin("host-b", vm, PATIENCE_MS);
  });

  it("A11: an I/O error on the new host is in the record; so is its end", async () => {
    const disk = await dataGuest(vm);
    try {
      const ended = await cases.ends(await cases.begin(vm, {}));
      expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
      disk.fail("write");
      const broken = await cases.becomes(vm, "io-error");
      expect(broken).toMatchObject({ host: "host-b", runState: "io-error" });
      expect(broken.detail).toMatch(/BLOCK_IO_ERROR|Input\/output error/);
      disk.mend();
      await cases.operate("host-b", vm, (qmp) => qmp.execute("cont"));
      await cases.becomes(vm, "running");
    } finally {
      await cases.remove(vm);
      await disk.close();
    }
  });

  it.each([
    ["an operator's stop", "paused"],
    ["an I/O error", "io-error"],
  ] as const)("B2: %s in precopy is not the switchover", async (how, state) => {
    const disk = await dataGuest(vm);
    try {
      const id = await cases.begin(vm, endlessly);
      await cases.stage.isInPrecopy(id);
      if (state === "io-error") disk.fail("write");
      else await cases.operate("host-a", vm, (qmp) => qmp.execute("stop"));
      const [begun] = await cases.emits(id, "migration.standstill");
      expect(JSON.stringify(begun?.detail), how).toContain(state);
      disk.mend();
      await cases.operate("host-a", vm, (qmp) => qmp.execute("cont"));
      await cases.emits(id, "migration.standstill", 2);
      // Both are refused once the switchover has begun.
      await cases.api.setBandwidth(id, 200_000);
      await cases.api.cancelMigration(id);

      const ended = await cases.ends(id);
      expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
      expect(ended).not.toHaveProperty("stoppedAtMs");
      const [standstill] = ended.standstills ?? [];
      expect(standstill?.reason).toContain(state);
      expect(standstill?.untilMs).toBeGreaterThan(standstill?.sinceMs ?? 0);
      await cases.becomes(vm, "running");
    } finally {
      await cases.remove(vm);
      await disk.close();
    }
  });

  it("B3: a guest that falls asleep in precopy is released when its move is cancelled", async () => {
    const id = await inPrecopy();
    await cases.act("host-a", vm, "sleep");
    await cases.emits(id, "migration.standstill");
    expect(await cases.runState("host-a", vm)).toBe("suspended");
    await cases.api.cancelMigration(id);
    const ended = await cases.ends(id);
    expect(ended.status).toBe("cancelled");
    expect(ended).not.toHaveProperty("runningOn");
    await cases.becomes(vm, "suspended");
    expect((await cases.timeline(id)).length).toBeLessThan(100);
  });

  it("B3: a guest with an I/O error is released when its target is killed", async () => {
    const disk = await dataGuest(vm);
    try {
      const id = await cases.begin(vm, endlessly);
      await cases.stage.isInPrecopy(id);
      disk.fail("write");
      await cases.emits(id, "migration.standstill");
      cases.stage.killGuest(vm, "host-b");
      const ended = await cases.ends(id);
      expect(ended.status).toBe("failed");
      expect(ended).not.toHaveProperty("runningOn");
      expect(await cases.becomes(vm, "io-error")).toMatchObject({ host: "host-a" });
      expect((await cases.timeline(id)).length).toBeLessThan(100);
    } finally {
      await cases.remove(vm);
      await disk.close();
    }
  });

  /** A guest that writes to a disk whose I/O errors begin and end on demand. */
  async function dataGuest(id: string): Promise<FaultyDisk> {
    const { folder } = cases.fleet;
    const imagePath = join(folder, `${id}-data.img`);
    const bootPath = join(folder, `${id}-boot.img`);
    await createDataDisk(imagePath, DATA_SECTORS);
    await writeDataGuestDisk(bootPath, {
      ...load,
      dataSectors: DATA_SECTORS,
      sectorsPerTick: 1,
    });
    const disk = await FaultyDisk.serve({ imagePath, socketPath: join(folder, `${id}.nbd`) });
    const boot = bootDiskDefinition(bootPath);
    const data = disk.definition();
    await cases.define(id, {
      blockdevs: [...boot.blockdevs, ...data.blockdevs] as never,
      devices: [...boot.devices, ...data.devices],
    });
    return disk;
  }

  /** Starts a guest and moves it, until its memory is being sent. */
  async function inPrecopy(): Promise<string> {
    await cases.start(vm);
    const id = await cases.begin(vm, endlessly);
    await cases.stage.isInPrecopy(id);
    return id;
  }

  /** The state of the VM and the reason for it. */
  async function record(): Promise<string> {
    const { state, detail } = await cases.api.getVm(vm);
    return `${state}: ${detail}`;
  }
});
