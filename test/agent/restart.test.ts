import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { QmpClient } from "../../qmp/client.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { migrationId, Pair, SLOW, VM } from "./testing/pair.ts";

const slow = { parameters: { "max-bandwidth": SLOW } };

describe.skipIf(!findQemu())("agents that restart, on real QEMU", () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair();
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
    const look = { migrationId };
    await vi.waitFor(async () => {
      const [from, to] = await Promise.all([
        pair.source.run("migration.observe", VM, {}, look),
        pair.target.run("migration.observe", VM, {}, look),
      ]);
      expect(from).toMatchObject({ side: "source", linkUp: true, migrationStatus: "active" });
      expect(to).toMatchObject({ side: "target", linkUp: true, everRan: false });
    }, 10_000);
    await pair.source.told("migration.progress");
    await pair.speedUp();
    await pair.hasMoved();
    const { body } = await pair.source.told("migration.source-completed");
    expect(body).toMatchObject({ handedOver: true });
    // Read from QEMU's log, although the line may be from before the restart.
    expect((await pair.source.told("migration.acked")).body).toMatchObject({ evidence: "trace" });
    await pair.source.run("source.discard", VM, {}, look);
  });

  it("a source that completed while its agent was away hands over on its return", async () => {
    await pair.start(slow);
    const { qmpPath } = pair.source.guests.get(pair.source.vm(VM)).manifest;
    pair.source = await pair.source.restart(async () => {
      const qmp = await QmpClient.connect({ path: qmpPath });
      await qmp.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 30 });
      await vi.waitFor(async () => {
        expect((await qmp.execute("query-migrate")).status).toBe("completed");
      }, 15_000);
      await qmp.close();
    });
    await pair.hasMoved();
  });

  it("leave to run that was written down is carried out after a restart, once", async () => {
    await pair.start(slow);
    const target = pair.target.guests.get(pair.target.vm(VM));
    // As if the agent had died between the two: the note is there, `cont` was not said.
    pair.target.guests.setMigrating(target.vm, undefined);
    await pair.speedUp();
    await vi.waitFor(async () => {
      expect((await target.qmp.execute("query-migrate")).status).toBe("completed");
    }, 15_000);
    target.noteRunGrant();
    pair.target = await pair.target.restart();
    await pair.target.told("migration.target-running");
    await pair.hasRun(pair.target);
    expect(pair.target.typesOf().filter((type) => type.endsWith("running"))).toHaveLength(1);
  });

  it("a guest that died while the agent was away is reported, and not forgotten", async () => {
    const guest = pair.source.guests.get(pair.source.vm(VM));
    pair.source = await pair.source.restart(async () => {
      process.kill(guest.manifest.pid, "SIGKILL");
      await vi.waitFor(() => expect(guest.isAlive).toBe(false));
    });
    await pair.source.told("guest.exited");
    expect(existsSync(guest.folder)).toBe(false);
    pair.source = await pair.source.restart();
    expect(await pair.source.run("migration.observe", VM, {})).toMatchObject({
      process: "exited",
      everRan: true,
    });
    expect(pair.source.typesOf()).not.toContain("guest.exited");
  });

  it("a QEMU that is silent is taken up when it answers again", async () => {
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

  it("no secret stays in the manifest of a migration that is over", async () => {
    await pair.start();
    await pair.hasMoved();
    for (const host of [pair.source, pair.target]) {
      const path = join(host.config.runDir, VM, "guest.json");
      await vi.waitFor(() => expect(readFileSync(path, "utf8")).not.toContain("abababab"));
    }
  });
});
