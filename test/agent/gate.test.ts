import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MigrationId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { readCounter, waitForCounter } from "../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { TestHost } from "./testing/host.ts";
import { describeOnQemu, loadModels } from "./testing/subjects.ts";

const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const handoverKey = "cd".repeat(32);
const VM = "vm1";
const busy = { dirtyBytesPerSecond: 8 << 20, workingSetBytes: 8 << 20 };
const idle = { dirtyBytesPerSecond: 0, workingSetBytes: 4 << 20 };

describeOnQemu("a gated switchover", (subject) => {
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

  const serial = (host: TestHost) => join(host.config.runDir, VM, "serial.log");

  async function hold(load: typeof idle, gate: { permitAtMs?: number }) {
    const disk = join(folder, "boot.img");
    await writeBootDisk(disk, load);
    loadModels(load);
    const definition = VmDefinition.parse({ memoryBytes: 64 << 20, ...bootDiskDefinition(disk) });
    const started = await source.run("guest.start", VM, { definition });
    await waitForCounter(serial(source), ({ counter }) => counter > 20, { timeoutMs: 30_000 });
    const capabilities = { events: true, "return-path": true, "switchover-ack": true };
    const prepared = await target.run(
      "target.prepare",
      VM,
      {
        definition: started.definition,
        settings: { capabilities, parameters: {} },
        handoverKey,
      },
      { migrationId },
    );
    await source.run(
      "source.start",
      VM,
      {
        settings: {
          capabilities,
          parameters: { "avail-switchover-bandwidth": 1e9, "downtime-limit": 300 },
        },
        migrationUri: prepared.migrationUri,
        handover: prepared.handover,
        handoverKey,
        ackExpected: true,
        precopyDeadlineMs: 60_000,
        gate,
      },
      { migrationId },
    );
  }

  it.each([
    ["idle", idle],
    ["active", busy],
  ])("an %s guest runs while it is held, and moves when that is permitted", async (_, load) => {
    await hold(load, {});
    await vi.waitFor(() => expect(source.typesOf()).toContain("migration.held"), 20_000);
    const before = await readCounter(serial(source));
    await waitForCounter(serial(source), ({ counter }) => counter > (before?.counter ?? 0) + 100, {
      timeoutMs: 30_000,
    });
    expect(source.typesOf()).not.toContain("migration.stopped");
    // Or its migration thread would keep a core busy, and the target with it.
    const { qmp } = source.guests.get(VM as never);
    expect(Number((await qmp.execute("query-migrate-parameters"))["max-bandwidth"])).toBe(20_000);
    await source.run("source.permit", VM, {}, { migrationId });
    await vi.waitFor(() => expect(target.typesOf()).toContain("migration.target-arrived"), 20_000);
    await source.run("source.permit", VM, {}, { migrationId });
    expect(source.typesOf().filter((type) => type === "migration.gate-opened")).toHaveLength(1);
    // What became dirty while it was held went before the guest was stopped.
    const { body } = await source.waitFor("migration.source-completed");
    expect(body.figures.downtimeBytes).toBeLessThan(busy.workingSetBytes);
    const after = await readCounter(serial(source));
    await waitForCounter(serial(target), ({ counter }) => counter > (after?.counter ?? 0) + 20, {
      timeoutMs: 30_000,
    });
    expect(await readCounter(serial(target))).toMatchObject({ errors: 0 });
  });

  it("the permit takes effect by itself at the time that was set", async () => {
    await hold(idle, { permitAtMs: Date.now() + 3_000 });
    await vi.waitFor(() => expect(target.typesOf()).toContain("migration.target-arrived"), 20_000);
    const released = source.events.find(({ body }) => body.type === "migration.gate-opened");
    expect(released?.body).toMatchObject({ by: "time" });
  });

  it("a held migration can be cancelled, and no bitmap is left", async () => {
    await hold(idle, {});
    await vi.waitFor(() => expect(source.typesOf()).toContain("migration.held"), 20_000);
    const report = await source.run("source.cancel", VM, {}, { migrationId });
    expect(report).toMatchObject({ process: "running", runState: "running" });
    await isClean();
  });

  it.each([
    ["between node and bitmap", { permitAtMs: 9e12 }],
    ["after the permit was carried out", { isLifted: true as const }],
  ])("an agent that died %s leaves none of them after its restart", async (_, gate) => {
    await hold(idle, {});
    const guest = source.guests.get(VM as never);
    const { qmpPath, migration } = guest.manifest;
    if (migration !== undefined) guest.note({ migration: { ...migration, gate } });
    source = await source.restart(async () => {
      const qmp = await QmpClient.connect({ path: qmpPath });
      await qmp.execute("migrate_cancel");
      await vi.waitFor(async () => {
        // Failed, where the stream broke before QEMU came to it.
        expect(["cancelled", "failed"]).toContain((await qmp.execute("query-migrate")).status);
      }, 15_000);
      if (!("isLifted" in gate)) {
        const bitmap = { node: "switchyard-gate", name: "hold" };
        await qmp.execute("block-dirty-bitmap-remove", bitmap);
      }
      await qmp.close();
    });
    await isClean();
  });

  async function isClean(): Promise<void> {
    const { qmp } = source.guests.get(VM as never);
    await vi.waitFor(async () => {
      const nodes = await qmp.execute("query-named-block-nodes", {});
      expect(nodes.map((node) => node["node-name"])).not.toContain("switchyard-gate");
    }, 30_000);
  }
});
