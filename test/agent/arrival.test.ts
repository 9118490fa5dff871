import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { GuestAction } from "../../core/protocol/command.ts";
import { VmDefinition } from "../../core/vm.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { writeActingDisk } from "../../rig/guest/acting-guest.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { dataDiskDefinition } from "../../rig/guest/data-guest.ts";
import { ImageLock } from "../../rig/image-lock.ts";
import type { TestHost } from "./testing/host.ts";
import { migrationId, Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const slow = { parameters: { "max-bandwidth": SLOW } };
const of = { migrationId };
const LOAD = { dirtyBytesPerSecond: 1 << 20, workingSetBytes: 4 << 20 };
/** The agent's 15 s of trying, on a loaded machine. */
const REFUSED_MS = 40_000;

const qmpOf = (host: TestHost) => host.guests.get(host.vm(VM)).qmp;
const observe = (host: TestHost) => host.run("migration.observe", VM, {}, of);
const eventsOf = (host: TestHost, type: string) =>
  host.events.filter(({ body }) => body.type === type).map(({ body }) => body);

describeOnQemu("a guest that an operator stops in precopy", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
    await pair.start(slow);
    await qmpOf(pair.source).execute("stop");
    await pair.source.waitFor("migration.standstill");
  });
  afterEach(() => pair.close());

  it("stands still, which is no switchover: limits work, and `cont` ends it", async () => {
    const bandwidth = { maxBandwidthBytesPerSecond: SLOW * 2, revision: 1 };
    await pair.source.run("source.set", VM, bandwidth, of);
    await qmpOf(pair.source).execute("cont");
    await vi.waitFor(
      () => expect(eventsOf(pair.source, "migration.standstill")).toHaveLength(2),
      5_000,
    );
    const [begun, ended] = eventsOf(pair.source, "migration.standstill");
    expect(begun).toMatchObject({ reason: "paused" });
    expect(ended).toMatchObject({ ...begun, untilMs: expect.any(Number) });
    expect(pair.source.typesOf()).not.toContain("migration.stopped");
    await pair.speedUp();
    await pair.hasMoved();
    expect(eventsOf(pair.source, "migration.stopped")).toHaveLength(1);
    const { body } = await pair.source.waitFor("migration.handed-over");
    expect(body.blackoutMs).toBeGreaterThan(0);
  });

  it("moves and arrives paused; a restart of the agents does not start it", async () => {
    await pair.speedUp();
    const { body } = await pair.target.waitFor("migration.target-arrived");
    expect(body).toMatchObject({ runState: "paused" });
    expect((await pair.source.waitFor("migration.handed-over")).body).not.toHaveProperty(
      "blackoutMs",
    );
    expect(pair.source.typesOf()).not.toContain("migration.stopped");
    pair.target = await pair.target.restart();
    expect(await observe(pair.target)).toMatchObject({ runState: "paused", arrived: true });
  });

  it("is given back where the target has lost it: it stays paused until somebody resumes it", async () => {
    const control = (action: GuestAction) => pair.source.run("guest.control", VM, { action });
    await pair.speedUp();
    await pair.target.waitFor("migration.target-arrived");
    await pair.source.waitFor("migration.handed-over");
    await expect(control("resume")).rejects.toThrow("reconcile the VM first");
    process.kill(pair.target.guests.get(pair.target.vm(VM)).manifest.pid, "SIGKILL");
    await pair.target.waitFor("guest.exited");
    const returned = { runState: "postmigrate", returned: true, linkUp: false };
    for (const _ of ["once", "and again"]) {
      expect(await pair.source.run("source.resume", VM, {}, of)).toMatchObject(returned);
    }
    pair.source = await pair.source.restart();
    expect(await observe(pair.source)).toMatchObject(returned);
    await expect(control("reset")).rejects.toThrow("QEMU can only resume it");
    expect(await control("resume")).toEqual({ runState: "running" });
    await pair.hasRun(pair.source);
  });

  it("can be cancelled, and a resume leaves it paused", async () => {
    expect(await pair.source.run("source.cancel", VM, {}, of)).toMatchObject({
      runState: "paused",
    });
    expect(await pair.source.run("source.resume", VM, {}, of)).toMatchObject({
      runState: "paused",
    });
  });
});

describe.skipIf(findQemu() === undefined)("on real QEMU, the end of a move is seen:", () => {
  let pair: Pair;
  let lock: ImageLock | undefined;
  beforeEach(() => {
    pair = new Pair({ qemu: findQemu() });
  });
  afterEach(async () => {
    await lock?.release();
    await pair.close();
  });

  /** A guest with a disk that it may write, whose image another process has locked. */
  async function startLocked(): Promise<void> {
    const boot = join(pair.folder, "boot.img");
    const data = join(pair.folder, "data.img");
    await writeBootDisk(boot, LOAD);
    writeFileSync(data, Buffer.alloc(1 << 20));
    const system = bootDiskDefinition(boot);
    const extra = dataDiskDefinition(data, { direct: false });
    await startGuest({
      blockdevs: [...system.blockdevs, ...extra.blockdevs],
      devices: [...system.devices, ...extra.devices],
    });
    lock = await ImageLock.hold(data);
    await pair.start();
    const { body } = await pair.target.waitFor("migration.run-refused");
    expect(body.message).toContain("lock");
  }

  async function startGuest(disks: object): Promise<void> {
    const definition = VmDefinition.parse({ machine: "pc", memoryBytes: 64 << 20, ...disks });
    const started = await pair.source.run("guest.start", VM, { definition });
    pair.definition = started.definition;
    await pair.hasRun(pair.source);
  }

  it("a refused `cont` is tried again, and succeeds when the image is free", async () => {
    await startLocked();
    const { body } = await pair.source.waitFor("migration.source-completed");
    expect(body).toMatchObject({ handedOver: false });
    expect(await observe(pair.target)).toMatchObject({ runState: "paused", arrived: false });
    expect(pair.target.typesOf()).not.toContain("migration.target-arrived");
    await lock?.release();
    await pair.hasMoved();
    expect(eventsOf(pair.target, "migration.run-refused")).toHaveLength(1);
    const handedOver = await pair.source.waitFor("migration.handed-over");
    expect(handedOver.body.blackoutMs).toBeGreaterThan(3_000);
    expect(await observe(pair.source)).toMatchObject({ saidCompleted: true });
  });

  it(
    "a `cont` that is refused for long voids the run grant, and the source may run on",
    async () => {
      await startLocked();
      await expect(pair.target.run("target.resume", VM, {} as never, of)).rejects.toThrow(
        /QEMU refuses to run the guest: .*lock/,
      );
      const seen = await observe(pair.target);
      expect(seen).toMatchObject({ permittedToRun: false, arrived: false });
      expect(seen.runRefused).toContain("lock");
      await pair.target.run("target.discard", VM, {}, of);
      await lock?.release();
      expect(await pair.source.run("source.resume", VM, {}, of)).toMatchObject({
        runState: "running",
        linkUp: false,
      });
      await pair.hasRun(pair.source);
    },
    REFUSED_MS,
  );

  it("a sleeping guest arrives asleep, and its source is not resumed any more", async () => {
    const boot = join(pair.folder, "boot.img");
    await writeActingDisk(boot, { ...LOAD, action: "sleep", afterTicks: 30 });
    await startGuest(bootDiskDefinition(boot));
    await vi.waitFor(
      async () =>
        expect((await qmpOf(pair.source).execute("query-status")).status).toBe("suspended"),
      20_000,
    );
    await pair.start();
    const { body } = await pair.target.waitFor("migration.target-arrived");
    expect(body).toMatchObject({ runState: "suspended" });
    expect(await observe(pair.target)).toMatchObject({ runState: "suspended", arrived: true });
    await expect(pair.source.run("source.resume", VM, {}, of)).rejects.toThrow("QEMU aborts");
    expect(await observe(pair.source)).toMatchObject({ runState: "postmigrate" });
  });
});
