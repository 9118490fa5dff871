import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MigrationId } from "../../core/id.ts";
import type { TestHost } from "./testing/host.ts";
import { migrationId, Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const slow = { parameters: { "max-bandwidth": SLOW } };
const of = { migrationId };

describeOnQemu("migrations that do not succeed", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  /** Passes over memory so far, by the newest figures. */
  const passes = () =>
    pair.source.events.reduce(
      (count, { body }) =>
        body.type === "migration.progress" ? (body.progress.dirtySyncCount ?? count) : count,
      0,
    );
  const pidOf = (host: TestHost) => host.guests.get(host.vm(VM)).manifest.pid;
  /** `source.start` returns before the target has received anything. */
  const hasStream = () => {
    const { qmp } = pair.target.guests.get(pair.target.vm(VM));
    return vi.waitFor(
      async () => expect((await qmp.execute("query-migrate")).status).toBe("active"),
      20_000,
    );
  };

  it("a cancel in precopy leaves the guest at the source, and the next migration succeeds", async () => {
    await pair.start(slow);
    const seen = await pair.source.run("source.cancel", VM, {}, of);
    expect(seen).toMatchObject({ process: "running", runState: "running" });
    expect(["cancelled", "failed"]).toContain(seen.migrationStatus);
    expect((await pair.source.waitFor("migration.failed")).body).toMatchObject({ side: "source" });
    await pair.target.waitFor("migration.failed");
    await expect(pair.source.run("source.discard", VM, {}, of)).rejects.toThrow("refused");
    await expect(pair.prepare()).rejects.toThrow("already has a process");
    await pair.target.run("target.discard", VM, {}, of);
    expect(pair.target.typesOf()).not.toContain("guest.exited");

    const second = { id: MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW"), epoch: 2 };
    await pair.start(second);
    await pair.hasMoved();
    const stale = pair.source.run("source.cancel", VM, {}, of);
    await expect(stale).rejects.toThrow("stale-epoch");
  });

  it("a target that can write nothing but the run grant runs the guest, and does not hold it", async () => {
    await pair.start(slow);
    const { folder } = pair.target.guests.get(pair.target.vm(VM));
    // Where the next manifest would be written to.
    mkdirSync(join(folder, "guest.json.new"));
    await pair.speedUp();
    await pair.target.waitFor("migration.target-arrived");
    await pair.hasRun(pair.target);
    const stop = () => pair.target.run("guest.stop", VM, { mode: "quit" });
    expect(await stop()).toEqual({ stopped: true });
  });

  it("a cancel while the ACK is awaited leaves the guest at the source", async () => {
    const prepared = await pair.prepare();
    // A target that does not know of ACKs never sends one (accepted while it waits).
    const { qmp } = pair.target.guests.get(pair.target.vm(VM));
    const capabilities = [{ capability: "switchover-ack", state: false }];
    await qmp.execute("migrate-set-capabilities", { capabilities });
    await pair.start({ prepared });
    await vi.waitFor(() => expect(passes()).toBeGreaterThan(1), 20_000);
    expect(pair.source.typesOf()).not.toContain("migration.acked");
    const seen = await pair.source.run("source.cancel", VM, {}, of);
    expect(seen).toMatchObject({ runState: "running" });
    await pair.hasRun(pair.source);
  });

  it("a cancel at the switchover leaves the guest on exactly one side", async () => {
    await pair.start({ on: ["pause-before-switchover"] });
    await pair.source.waitFor("migration.stopped");
    await pair.source.run("source.cancel", VM, {}, of);
    const from = await pair.source.run("migration.observe", VM, {}, of);
    if (from.migrationStatus === "completed") {
      expect(from.runState).toBe("postmigrate");
      await pair.hasMoved();
    } else {
      expect(from.runState).toBe("running");
      expect(await pair.target.run("migration.observe", VM, {}, of)).toMatchObject({
        permittedToRun: false,
      });
      await pair.target.run("target.discard", VM, {}, of);
      await pair.hasRun(pair.source);
    }
  });

  it("the precopy deadline cancels without the cloud", async () => {
    await pair.start({ ...slow, deadlineMs: 300 });
    const { body } = await pair.source.waitFor("migration.failed");
    expect(["cancelled", "failed"]).toContain(body.status);
    await pair.hasRun(pair.source);
  });

  it("a killed source is reported by both sides, once each, and nothing is left of it", async () => {
    await pair.start(slow);
    // A target whose source exits before it has connected waits on, and emits nothing.
    await hasStream();
    process.kill(pidOf(pair.source), "SIGKILL");
    await pair.source.waitFor("guest.exited");
    await pair.source.waitFor("migration.failed");
    await pair.target.waitFor("migration.failed");
    expect(await pair.source.run("migration.observe", VM, {}, of)).toMatchObject({
      process: "exited",
      side: "source",
      migrationId,
    });
    await pair.target.run("target.discard", VM, {}, of);
    for (const host of [pair.source, pair.target]) {
      expect(host.typesOf().filter((type) => type === "migration.failed")).toHaveLength(1);
      expect(host.guests.isPresent(host.vm(VM))).toBe(false);
    }
  });

  it("a handover link that nobody listens on starts nothing, and a later migration works", async () => {
    const prepared = await pair.prepare();
    const port = await closedPort();
    const wrong = { ...prepared, handover: { ...prepared.handover, port } };
    await expect(pair.start({ prepared: wrong })).rejects.toThrow("handover link");
    const { qmp } = pair.source.guests.get(pair.source.vm(VM));
    expect(await qmp.execute("query-status")).toMatchObject({ status: "running" });
    expect((await qmp.execute("query-migrate")).status ?? "none").toBe("none");
    await pair.start({ prepared });
    await pair.hasMoved();
  });

  it("a second start does not disturb a migration that is under way", async () => {
    const prepared = await pair.start(slow);
    await expect(pair.start({ prepared })).rejects.toThrow("being migrated already");
    await pair.speedUp();
    await pair.hasMoved();
  });

  it("a guest moves there and back", async () => {
    await pair.start();
    await pair.hasMoved();
    await pair.source.run("source.discard", VM, {}, of);
    pair.swap();
    await pair.start({ id: MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW"), epoch: 2 });
    await pair.hasMoved();
  });

  it("a guest that was paused arrives paused", async () => {
    const { qmp } = pair.source.guests.get(pair.source.vm(VM));
    await qmp.execute("stop");
    await pair.start();
    await pair.target.waitFor("migration.target-arrived");
    expect((await pair.source.waitFor("migration.source-completed")).body).toMatchObject({
      handedOver: true,
    });
    expect(await pair.target.run("migration.observe", VM, {}, of)).toMatchObject({
      runState: "paused",
      permittedToRun: true,
      arrived: true,
    });
  });

  it("a source that hangs for a while in precopy is waited for", async () => {
    await pair.start(slow);
    await hasStream();
    const pid = pidOf(pair.source);
    process.kill(pid, "SIGSTOP");
    try {
      const before = pair.source.events.length;
      await vi.waitFor(
        () =>
          expect(pair.source.events.slice(before)).toContainEqual(
            expect.objectContaining({
              body: expect.objectContaining({ progress: { status: "silent" } }),
            }),
          ),
        10_000,
      );
      const { body } = await pair.source.waitFor("migration.standstill", 30_000);
      expect(body).toMatchObject({ reason: "silent" });
      expect(body).not.toHaveProperty("untilMs");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await pair.speedUp();
    await pair.hasMoved();
    expect(pair.source.events.map(({ body }) => body)).toContainEqual(
      expect.objectContaining({ type: "migration.standstill", untilMs: expect.any(Number) }),
    );
  });

  it("a source that hangs before the stream is reported, and moves when it answers", async () => {
    const prepared = await pair.prepare();
    const pid = pidOf(pair.source);
    process.kill(pid, "SIGSTOP");
    const starting = pair.start({ prepared });
    try {
      const { body } = await pair.source.waitFor("migration.standstill", 30_000);
      expect(body).toMatchObject({ reason: "silent" });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await starting;
    await pair.hasMoved();
    expect(pair.source.events.map(({ body }) => body)).toContainEqual(
      expect.objectContaining({ type: "migration.standstill", untilMs: expect.any(Number) }),
    );
  });

  it("a guest that is stopped on purpose is no event, one that ends by itself is", async () => {
    await pair.source.run("guest.stop", VM, { mode: "quit" });
    expect(pair.source.guests.isPresent(pair.source.vm(VM))).toBe(false);
    await pair.startGuest();
    process.kill(pidOf(pair.source), "SIGTERM");
    await pair.source.waitFor("guest.exited");
    expect(pair.source.typesOf().filter((type) => type === "guest.exited")).toHaveLength(1);
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 1;
}
