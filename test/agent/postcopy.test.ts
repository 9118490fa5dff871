import { join } from "node:path";
import { afterEach, beforeEach, expect, it as test, vi } from "vitest";
import { userfaultfd } from "../../agent/probe/host.ts";
import { MigrationId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { TestHost } from "./testing/host.ts";
import { StreamRelay } from "./testing/stream-relay.ts";
import { describeOnQemu, loadModels } from "./testing/subjects.ts";

const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const handoverKey = "fe".repeat(32);
const VM = "vm1";
/** A pass takes half a second, and the guest dirties its whole working set meanwhile. */
const LOAD = { dirtyBytesPerSecond: 64 << 20, workingSetBytes: 16 << 20 };
const CAPABILITIES = { events: true, "return-path": true, "postcopy-ram": true };
/** Precopy cannot converge, and postcopy lasts until its bandwidth is set free. */
const PARAMETERS = {
  "max-bandwidth": 32 << 20,
  "max-postcopy-bandwidth": 1 << 20,
  "downtime-limit": 20,
};
const STALL = { windowMs: 1_000, marginPercent: 4, smoothing: 0.4, silenceMs: 60_000 };
const LONG_MS = 60_000;

describeOnQemu("postcopy", (subject) => {
  // Real QEMU needs the kernel's userfaultfd.
  const it = test.skipIf(!subject.isModel && !userfaultfd());
  let folder: string;
  let source: TestHost;
  let target: TestHost;
  let relays: StreamRelay[] = [];

  beforeEach(() => {
    folder = ownedFolder();
    source = new TestHost("source", subject);
    target = new TestHost("target", subject);
  });
  afterEach(async () => {
    for (const relay of relays) relay.close();
    relays = [];
    await Promise.all([source.close(), target.close()]);
    removeFolder(folder);
  });

  const qmp = (host: TestHost) => host.guests.get(host.vm(VM)).qmp;
  const status = async (host: TestHost) => (await qmp(host).execute("query-migrate")).status;
  const is = (host: TestHost, wanted: string) =>
    vi.waitFor(async () => expect(await status(host)).toBe(wanted), {
      timeout: LONG_MS,
      interval: 50,
    });
  const speedUp = () =>
    qmp(source).execute("migrate-set-parameters", { "max-postcopy-bandwidth": 0 });
  const observe = (host: TestHost) => host.run("migration.observe", VM, {}, { migrationId });

  async function through(uri: string): Promise<StreamRelay> {
    const relay = await StreamRelay.start(uri);
    relays.push(relay);
    return relay;
  }

  /** Returns when the guest runs on the target and its memory still comes. */
  async function begin(): Promise<StreamRelay> {
    const disk = join(folder, "boot.img");
    await writeBootDisk(disk, LOAD);
    loadModels(LOAD);
    const made = VmDefinition.parse({ memoryBytes: 64 << 20, ...bootDiskDefinition(disk) });
    const { definition } = await source.run("guest.start", VM, { definition: made });
    await hasRun(source, 50);
    const { migrationUri, handover } = await target.run(
      "target.prepare",
      VM,
      { definition, settings: { capabilities: CAPABILITIES, parameters: {} }, handoverKey },
      { migrationId },
    );
    const relay = await through(migrationUri);
    await source.run(
      "source.start",
      VM,
      {
        settings: { capabilities: CAPABILITIES, parameters: PARAMETERS },
        migrationUri: relay.uri,
        handover,
        handoverKey,
        ackExpected: false,
        precopyDeadlineMs: 10 * LONG_MS,
        climb: { rungs: [{ action: "postcopy" }, { action: "abort" }], stall: STALL },
      },
      { migrationId },
    );
    await source.waitFor("migration.postcopy", LONG_MS);
    await target.waitFor("migration.target-arrived", LONG_MS);
    return relay;
  }

  async function hasRun(host: TestHost, ticks: number) {
    const path = join(host.config.runDir, VM, "serial.log");
    const first = await waitForCounter(path, () => true, { timeoutMs: LONG_MS });
    const isLater = ({ counter }: { counter: number }) => counter > first.counter + ticks;
    expect((await waitForCounter(path, isLater, { timeoutMs: LONG_MS })).errors).toBe(0);
  }

  async function recover(): Promise<StreamRelay> {
    const { migrationUri } = await target.run("target.recover", VM, {}, { migrationId });
    if (migrationUri === null) throw new Error("Expected the target to be paused");
    const relay = await through(migrationUri);
    const args = { migrationUri: relay.uri };
    const recovered = await source.run("source.recover", VM, args, { migrationId });
    expect(recovered.status).toBe("postcopy-active");
    return relay;
  }

  async function hasMoved() {
    await source.waitFor("migration.source-completed", LONG_MS);
    await is(target, "completed");
    await hasRun(target, 50);
    const running = target.typesOf().filter((type) => type === "migration.target-arrived");
    expect(running).toHaveLength(1);
    await source.run("source.discard", VM, {}, { migrationId });
    expect(await observe(source)).toMatchObject({ process: "exited" });
  }

  it("the guest runs on the target while its memory follows; there is no way back", async () => {
    await begin();
    expect(source.events.find(({ body }) => body.type === "migration.rung")?.body).toMatchObject({
      rung: 1,
      action: "postcopy",
    });
    expect(await status(source)).toBe("postcopy-active");
    await expect(source.run("source.cancel", VM, {}, { migrationId })).rejects.toThrow(
      /refused.*too late to cancel/,
    );
    await expect(source.run("source.resume", VM, {}, { migrationId })).rejects.toThrow("refused");
    await expect(target.run("target.discard", VM, {}, { migrationId })).rejects.toThrow("has run");
    await speedUp();
    await hasMoved();
  }, 180_000);

  it("a broken connection pauses both sides; new ones join them again, with nothing lost", async () => {
    const first = await begin();
    first.cut();
    await source.waitFor("migration.postcopy-paused", LONG_MS);
    expect(await observe(source)).toMatchObject({ migrationStatus: "postcopy-paused" });
    await expect(source.run("source.cancel", VM, {}, { migrationId })).rejects.toThrow("too late");
    const second = await recover();
    second.cut();
    await vi.waitFor(() => expect(pauses()).toEqual([1, 2]), { timeout: LONG_MS, interval: 50 });
    await recover();
    await speedUp();
    await hasMoved();
  }, 180_000);

  it("a recovery that finds nobody can be tried again, and is no new pause", async () => {
    const relay = await begin();
    relay.cut();
    await source.waitFor("migration.postcopy-paused", LONG_MS);
    const nowhere = { migrationUri: "tcp:127.0.0.1:1" };
    await expect(source.run("source.recover", VM, nowhere, { migrationId })).rejects.toThrow(
      "do not connect",
    );
    expect(pauses()).toEqual([1]);
    await recover();
    await speedUp();
    await hasMoved();
  }, 180_000);

  it("an agent that restarts while its source is paused reports the same pause, and continues", async () => {
    const relay = await begin();
    relay.cut();
    await source.waitFor("migration.postcopy-paused", LONG_MS);
    source = await source.restart();
    await source.waitFor("migration.postcopy-paused", LONG_MS);
    expect(pauses()[0]).toBe(1);
    await recover();
    await speedUp();
    await hasMoved();
  }, 180_000);

  const pauses = () =>
    source.events.flatMap(({ body }) =>
      body.type === "migration.postcopy-paused" ? [body.pause] : [],
    );
});
