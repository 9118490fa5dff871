import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MigrationId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { readCounter, waitForCounter } from "../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { TestHost } from "./testing/host.ts";
import { describeOnQemu, loadModels } from "./testing/subjects.ts";

const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const handoverKey = "ab".repeat(32);
const VM = "vm1";
const LOAD = { dirtyBytesPerSecond: 1 << 20, workingSetBytes: 4 << 20 };

describeOnQemu("two agents without a cloud", (subject) => {
  let folder: string;
  let source: TestHost;
  let target: TestHost;
  let definition: VmDefinition;

  beforeEach(async () => {
    folder = ownedFolder();
    const disk = join(folder, "boot.img");
    await writeBootDisk(disk, LOAD);
    loadModels(LOAD);
    definition = VmDefinition.parse({ memoryBytes: 64 << 20, ...bootDiskDefinition(disk) });
    source = new TestHost("source", subject);
    target = new TestHost("target", subject);
  });
  afterEach(async () => {
    await Promise.all([source.close(), target.close()]);
    removeFolder(folder);
  });

  const serial = (host: TestHost) => join(host.config.runDir, VM, "serial.log");
  const settings = (on: string[]) => ({
    capabilities: Object.fromEntries(on.map((name) => [name, true])),
    parameters: {},
  });

  async function prepare() {
    const started = await source.run("guest.start", VM, { definition });
    await waitForCounter(serial(source), ({ counter }) => counter > 20, { timeoutMs: 20_000 });
    const prepared = await target.run(
      "target.prepare",
      VM,
      {
        definition: started.definition,
        settings: settings(["events", "return-path", "switchover-ack"]),
        handoverKey,
      },
      { migrationId },
    );
    return prepared;
  }

  async function start(on: string[] = []) {
    const { migrationUri, handover } = await prepare();
    await source.run(
      "source.start",
      VM,
      {
        settings: settings(["events", "return-path", "switchover-ack", ...on]),
        migrationUri,
        handover,
        handoverKey,
        ackExpected: true,
        precopyDeadlineMs: 60_000,
      },
      { migrationId },
    );
  }

  it.each([[[]], [["pause-before-switchover"]]])("a guest moves, with %j on", async (on) => {
    await start(on);
    await vi.waitFor(() => expect(target.typesOf()).toContain("migration.target-arrived"), 20_000);
    await vi.waitFor(
      () => expect(source.typesOf()).toContain("migration.source-completed"),
      20_000,
    );
    const before = await readCounter(serial(source));
    await waitForCounter(serial(target), ({ counter }) => counter > (before?.counter ?? 0) + 30, {
      timeoutMs: 20_000,
    });
    expect(await readCounter(serial(target))).toMatchObject({ errors: 0 });
    const acked = source.events.find(({ body }) => body.type === "migration.acked");
    expect(acked?.body).toMatchObject({ evidence: "trace", pending: 0 });
    const completed = source.events.find(({ body }) => body.type === "migration.source-completed");
    expect(completed?.body).toMatchObject({ handedOver: true });
    const observed = await source.run("migration.observe", VM, {}, { migrationId });
    expect(observed).toMatchObject({ runState: "postmigrate", migrationStatus: "completed" });
    await source.run("source.discard", VM, {}, { migrationId });
    await expect(target.run("target.discard", VM, {}, { migrationId })).rejects.toThrow("refused");
  });

  it("a target that is killed leaves the guest running at the source", async () => {
    const { migrationUri, handover, pid } = await prepare();
    await source.run(
      "source.start",
      VM,
      {
        settings: {
          ...settings(["events", "return-path", "switchover-ack"]),
          parameters: { "max-bandwidth": 1 << 20 },
        },
        migrationUri,
        handover,
        handoverKey,
        ackExpected: true,
        precopyDeadlineMs: 60_000,
      },
      { migrationId },
    );
    // Before QEMU has connected, the target of another test may have taken the free port.
    await vi.waitFor(() => expect(source.typesOf()).toContain("migration.progress"), 20_000);
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(source.typesOf()).toContain("migration.failed"), 10_000);
    await vi.waitFor(() => expect(target.typesOf()).toContain("migration.failed"), 10_000);
    const seen = await source.run("migration.observe", VM, {}, { migrationId });
    expect(seen).toMatchObject({ process: "running", runState: "running" });
    expect(await target.run("migration.observe", VM, {}, { migrationId })).toMatchObject({
      process: "exited",
      side: "target",
      permittedToRun: false,
    });
  });
});
