import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Rung } from "../../core/convergence/ladder.ts";
import { MigrationId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { TestHost } from "./testing/host.ts";
import { describeOnQemu, loadModels } from "./testing/subjects.ts";

const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const handoverKey = "ef".repeat(32);
const VM = "vm1";
/**
 * The link carries half of what the guest dirties. QEMU sends what a period of 100 ms allows in one
 * burst: right after it, a stop can cost as little as 35 ms. The limit to begin with is far below.
 */
const LOAD = { dirtyBytesPerSecond: 32 << 20, workingSetBytes: 4 << 20 };
const PARAMETERS = {
  "max-bandwidth": 16 << 20,
  "downtime-limit": 1,
  "cpu-throttle-initial": 1,
  "max-cpu-throttle": 1,
};
const CAPABILITIES = { events: true, "return-path": true, "auto-converge": true };
const STALL = { windowMs: 1_000, marginPercent: 4, smoothing: 0.4, silenceMs: 60_000 };
const LONG_MS = 60_000;

const limit = (downtimeLimitMs: number): Rung => ({ action: "downtime-limit", downtimeLimitMs });
const throttle: Rung = {
  action: "throttle",
  initialPercent: 20,
  incrementPercent: 10,
  maxPercent: 30,
};

describeOnQemu("a convergence ladder", (subject) => {
  let folder: string;
  let source: TestHost;
  let target: TestHost;

  beforeEach(() => {
    folder = ownedFolder();
    source = new TestHost("source", subject);
    target = new TestHost("target", subject);
  });
  afterEach(async () => {
    await Promise.all([source.close(), target.close()]);
    removeFolder(folder);
  });

  async function climb(rungs: Rung[]) {
    const disk = join(folder, "boot.img");
    await writeBootDisk(disk, LOAD);
    loadModels(LOAD);
    const made = VmDefinition.parse({ memoryBytes: 64 << 20, ...bootDiskDefinition(disk) });
    const { definition } = await source.run("guest.start", VM, { definition: made });
    // Twice round its working set.
    await hasRun(source, 25);
    const settings = { capabilities: { events: true, "return-path": true }, parameters: {} };
    const { migrationUri, handover } = await target.run(
      "target.prepare",
      VM,
      { definition, settings, handoverKey },
      { migrationId },
    );
    await source.run(
      "source.start",
      VM,
      {
        settings: { capabilities: CAPABILITIES, parameters: PARAMETERS },
        migrationUri,
        handover,
        handoverKey,
        ackExpected: false,
        precopyDeadlineMs: 10 * LONG_MS,
        climb: { rungs, stall: STALL },
      },
      { migrationId },
    );
  }

  async function hasRun(host: TestHost, ticks: number) {
    const path = join(host.config.runDir, VM, "serial.log");
    const first = await waitForCounter(path, () => true, { timeoutMs: LONG_MS });
    const isLater = ({ counter }: { counter: number }) => counter > first.counter + ticks;
    expect((await waitForCounter(path, isLater, { timeoutMs: LONG_MS })).errors).toBe(0);
  }

  const qmp = (host: TestHost) => host.guests.get(host.vm(VM)).qmp;
  const rungs = () =>
    source.events.flatMap(({ body }) => (body.type === "migration.rung" ? [body] : []));

  const isThrottled = () =>
    vi.waitFor(
      async () => {
        const { "cpu-throttle-percentage": percent } = await qmp(source).execute("query-migrate");
        expect(percent).toBeGreaterThanOrEqual(10);
      },
      { timeout: LONG_MS, interval: 100 },
    );

  it("climbs rung by rung and moves the guest at the limit that it takes", async () => {
    // QEMU judges its throttle once a second: the second rung gives it time to take effect.
    await climb([throttle, limit(2), limit(60_000), { action: "abort" }]);
    await source.waitFor("migration.rung", LONG_MS);
    await isThrottled();
    await target.waitFor("migration.target-arrived", LONG_MS);
    await source.waitFor("migration.source-completed", LONG_MS);
    expect(rungs()).toMatchObject([
      { rung: 1, action: "throttle", reason: expect.stringContaining("4 % less") },
      { rung: 2, action: "downtime-limit", downtimeLimitMs: 2 },
      { rung: 3, action: "downtime-limit", downtimeLimitMs: 60_000 },
    ]);
    await hasRun(target, 10);
  }, 180_000);

  it("gives up when no rung is left: the guest runs on, and QEMU has its parameters back", async () => {
    await climb([{ action: "abort" }]);
    const { body } = await source.waitFor("migration.failed", LONG_MS);
    expect(body).toMatchObject({
      side: "source",
      status: expect.stringMatching(/^(cancelled|failed)$/),
      code: "no-convergence",
      errorDescription: expect.stringContaining("no rung left"),
    });
    expect(rungs().map(({ action }) => action)).toEqual(["abort"]);
    await vi.waitFor(
      async () => {
        const now = await qmp(source).execute("query-migrate-parameters");
        expect(now).toMatchObject({ "downtime-limit": 300, "max-cpu-throttle": 99 });
      },
      { timeout: 10_000, interval: 50 },
    );
    expect(await qmp(source).execute("query-status")).toMatchObject({ running: true });
    expect(target.typesOf()).not.toContain("migration.target-arrived");
    await hasRun(source, 10);
  }, 180_000);

  it("a restarted agent continues where it was", async () => {
    await climb([limit(2), limit(60_000), { action: "abort" }]);
    await source.waitFor("migration.rung", LONG_MS);
    source = await source.restart();
    await target.waitFor("migration.target-arrived", LONG_MS);
    expect(rungs()).toMatchObject([{ rung: 2, downtimeLimitMs: 60_000 }]);
    await hasRun(target, 10);
  }, 180_000);
});
