import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MigrationId } from "../../core/id.ts";
import { QmpClient } from "../../qmp/client.ts";
import { migrationId, Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const slow = { parameters: { "max-bandwidth": SLOW } };

describeOnQemu("agents that restart", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it.each([
    ["target", false, true],
    ["both", true, true],
  ])("a migration goes on when the agent restarts in precopy: %s", async (_, source, target) => {
    await pair.start(slow);
    if (source) pair.source = await pair.source.restart();
    if (target) pair.target = await pair.target.restart();
    const of = { migrationId };
    await vi.waitFor(async () => {
      const [from, to] = await Promise.all([
        pair.source.run("migration.observe", VM, {}, of),
        pair.target.run("migration.observe", VM, {}, of),
      ]);
      expect(from).toMatchObject({ side: "source", linkUp: true, migrationStatus: "active" });
      expect(to).toMatchObject({ side: "target", linkUp: true, permittedToRun: false });
    }, 10_000);
    await pair.source.waitFor("migration.progress");
    await pair.speedUp();
    await pair.hasMoved();
    const { body } = await pair.source.waitFor("migration.source-completed");
    expect(body).toMatchObject({ handedOver: true });
    // Read from QEMU's log, although the line may be from before the restart.
    expect((await pair.source.waitFor("migration.acked")).body).toMatchObject({
      evidence: "trace",
    });
    await pair.source.run("source.discard", VM, {}, of);
  });

  it("a source that completed while its agent was away hands over; its left-over is no obstacle", async () => {
    await pair.start(slow);
    const { qmpPath, pid } = pair.source.guests.get(pair.source.vm(VM)).manifest;
    pair.source = await pair.source.restart(async () => {
      const qmp = await QmpClient.connect({ path: qmpPath });
      await qmp.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 30 });
      await vi.waitFor(async () => {
        expect((await qmp.execute("query-migrate")).status).toBe("completed");
      }, 15_000);
      await qmp.close();
    });
    await pair.hasMoved();
    await pair.source.waitFor("migration.handed-over");
    // Nobody has discarded it, and the guest comes back.
    [pair.source, pair.target] = [pair.target, pair.source];
    const { definition } = pair;
    if (definition === undefined) throw new Error("Expected a definition");
    const probe = await pair.target.run("target.probe", VM, { definition });
    expect(probe).toMatchObject({ vmPresent: false, memoryFreeBytes: 2 ** 30 });
    const prepared = await pair.prepare(MigrationId.parse(migrationId.replace(/.$/, "W")), 2);
    expect(prepared.pid).not.toBe(pid);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("a run grant that was written down is carried out after a restart, once", async () => {
    await pair.start(slow);
    const target = pair.target.guests.get(pair.target.vm(VM));
    // As if the agent had died between the two: the grant is there, `cont` was not sent.
    pair.target.guests.setMigrating(target.vm, undefined);
    await pair.speedUp();
    await vi.waitFor(async () => {
      expect((await target.qmp.execute("query-migrate")).status).toBe("completed");
    }, 15_000);
    target.noteRunGrant();
    pair.target = await pair.target.restart();
    await pair.target.waitFor("migration.target-arrived");
    await pair.hasRun(pair.target);
    const arrivals = pair.target.typesOf().filter((type) => type === "migration.target-arrived");
    expect(arrivals).toHaveLength(1);
  });

  it("a guest that exited while the agent was away is reported, and remembered", async () => {
    const guest = pair.source.guests.get(pair.source.vm(VM));
    pair.source = await pair.source.restart(async () => {
      process.kill(guest.manifest.pid, "SIGKILL");
      await vi.waitFor(() => expect(guest.isAlive).toBe(false), 20_000);
    });
    await pair.source.waitFor("guest.exited");
    expect(existsSync(guest.folder)).toBe(false);
    pair.source = await pair.source.restart();
    expect(await pair.source.run("migration.observe", VM, {})).toMatchObject({
      process: "exited",
      permittedToRun: true,
      arrived: true,
    });
    expect(pair.source.typesOf()).not.toContain("guest.exited");
  });

  it("a silent QEMU is reattached when it answers again", async () => {
    const { pid } = pair.source.guests.get(pair.source.vm(VM)).manifest;
    process.kill(pid, "SIGSTOP");
    try {
      pair.source = await pair.source.restart();
      expect(await pair.source.run("migration.observe", VM, {})).toMatchObject({
        process: "silent",
      });
      const again = pair.source.run("guest.start", VM, {
        definition: pair.source.guests.get(pair.source.vm(VM)).manifest.definition,
      });
      await expect(again).rejects.toThrow("refused");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await vi.waitFor(async () => {
      expect(await pair.source.run("migration.observe", VM, {})).toMatchObject({
        process: "running",
        runState: "running",
      });
    }, 15_000);
  });

  it("the manifest of an ended migration holds no secret", async () => {
    await pair.start();
    await pair.hasMoved();
    for (const host of [pair.source, pair.target]) {
      const path = join(host.config.runDir, VM, "guest.json");
      await vi.waitFor(() => expect(readFileSync(path, "utf8")).not.toContain("abababab"), 20_000);
    }
  });
});
