import { describe, expect, it } from "vitest";
import { createVirtualPair, type VirtualOptions, type VirtualPair } from "../virtual-pair.ts";

const vfioArguments = ["-device", "vfio-pci,host=0000:01:00.0,id=v0,enable-migration=on"];
const traced = ["-trace", "*switchover*", "-trace", "vfio_*"];
const pair = (version: string, options: VirtualOptions = {}): VirtualPair =>
  createVirtualPair({ ...options, knobs: { version, ...options.knobs } });

describe("a plain migration", () => {
  it.each([
    ["7.2.22", ["setup", "active", "STOP", "completed"]],
    ["10.0.2", ["setup", "active", "STOP", "device", "completed"]],
    ["11.1.3", ["setup", "active", "STOP", "device", "completed"]],
  ])("%s tells its states in QEMU's order", (version, story) => {
    const { start, finish, source, target, clock } = pair(version);
    start();
    expect(finish()).toBe("completed");
    expect(source.story()).toEqual(story);
    expect(target.story()).toEqual(["setup", "active", "RESUME", "completed"]);
    clock.advance(500);
    expect(target.qemu.isGuestRunning).toBe(true);
    expect(source.qemu.isGuestRunning).toBe(false);
  });

  it("continues the guest's counter where it stopped", () => {
    const { start, finish, source, target, clock } = pair("10.0.2");
    clock.advance(5000);
    start();
    finish();
    const left = source.qemu.counter;
    expect(left).toBeGreaterThanOrEqual(50);
    expect(target.qemu.counter).toBe(left);
    clock.advance(1000);
    expect(target.qemu.counter).toBe(left + 10);
  });

  it("leaves a target with -S paused until cont", () => {
    const { start, finish, target } = pair("10.0.2", { targetArguments: ["-S"] });
    start();
    finish();
    expect(target.story()).toEqual(["setup", "active", "completed"]);
    expect(target.qemu.runState).toBe("paused");
    target.execute("cont");
    expect(target.qemu.isGuestRunning).toBe(true);
  });

  it("takes the same time every time on a virtual clock", () => {
    const totals = [1, 2].map(() => {
      const { start, finish, source } = pair("10.0.2");
      start();
      finish();
      return JSON.stringify(source.execute("query-migrate"));
    });
    expect(totals[0]).toBe(totals[1]);
  });
});

describe("pause-before-switchover", () => {
  const capabilities = ["events", "return-path", "pause-before-switchover"];

  it.each(["7.2.22", "10.0.2", "11.1.3"])("%s waits with the guest stopped", (version) => {
    const { start, source, finish, clock } = pair(version);
    start({ source: capabilities });
    clock.advance(2000);
    expect(source.story()).toEqual(["setup", "active", "STOP", "pre-switchover"]);
    expect(source.qemu.runState).toBe("finish-migrate");
    expect(() => source.execute("cont")).toThrow("Migration is not finalized yet");
    expect(() => source.execute("migrate-continue", { state: "device" })).toThrow(
      "Migration not in expected state: pre-switchover",
    );
    source.execute("migrate-continue", { state: "pre-switchover" });
    expect(finish()).toBe("completed");
    const info = source.execute("query-migrate") as { downtime: number };
    expect(info.downtime).toBeGreaterThanOrEqual(1900);
  });

  it("resumes the guest when it is cancelled there", () => {
    const { start, source, finish, clock } = pair("10.0.2");
    start({ source: capabilities, exitOnError: false });
    clock.advance(500);
    source.execute("migrate_cancel");
    expect(finish()).toBe("cancelled");
    expect(source.story().slice(-3)).toEqual(["cancelling", "RESUME", "cancelled"]);
    expect(source.qemu.isGuestRunning).toBe(true);
  });

  it("does not notice a dead target before migrate-continue", () => {
    const { start, source, target, finish, clock } = pair("10.0.2");
    start({ source: capabilities });
    clock.advance(500);
    target.qemu.kill();
    clock.advance(5000);
    const info = source.execute("query-migrate") as Record<string, unknown>;
    expect(info.status).toBe("pre-switchover");
    expect(info["error-desc"]).toBe("Channel error: Input/output error");
    source.execute("migrate-continue", { state: "pre-switchover" });
    expect(finish()).toBe("failed");
    expect(source.story().slice(-3)).toEqual(["device", "failed", "RESUME"]);
  });
});

describe("switchover ACK", () => {
  const ack = ["events", "return-path", "switchover-ack"];
  const knobs = { vfio: { v0: { loadInitialMs: 2000 } }, passesPerSecond: 500 };
  // Without it QEMU measures almost no bandwidth while it waits, and never finds the state small
  // enough.
  const parameters = { "avail-switchover-bandwidth": 1e9 };

  it.each([
    ["10.0.2", []],
    ["11.1.3", []],
    ["11.1.3", ["-machine", "pc-q35-10.0"]],
  ])("%s %j keeps a 2 s initial load out of the downtime", (version, machine) => {
    const words = [...vfioArguments, ...machine, ...traced];
    const withAck = pair(version, { arguments: words, knobs });
    withAck.start({ source: ack, target: ack, parameters });
    expect(withAck.finish()).toBe("completed");
    const without = pair(version, { arguments: words, knobs });
    without.start({ parameters });
    expect(without.finish()).toBe("completed");
    const downtime = ({ source }: VirtualPair): number =>
      (source.execute("query-migrate") as { downtime: number }).downtime;
    expect(downtime(withAck)).toBeLessThan(200);
    expect(downtime(without)).toBeGreaterThan(1500);
    expect(withAck.source.log.join("\n")).toContain("source_return_path_thread_switchover_acked");
    expect(without.source.log.join("\n")).not.toContain("switchover_acked");
  });

  it("waits for ever when only a source with the legacy ACK has it on", () => {
    const { start, source, finish } = pair("10.0.2");
    start({ source: ack });
    expect(finish(3000)).toBe("active");
    expect(source.qemu.isGuestRunning).toBe(true);
    expect(source.events.filter(({ event }) => event === "MIGRATION_PASS").length).toBeGreaterThan(
      20_000,
    );
    source.execute("stop");
    expect(finish(5_000)).toBe("completed");
  });

  it("needs none on 11.1 without VFIO", () => {
    const { start, finish, source } = pair("11.1.3", { arguments: traced });
    start({ source: ack });
    expect(finish()).toBe("completed");
    expect(source.log.join("\n")).not.toContain("switchover_acked");
  });

  it("fails a 7.2 source whose target sends one", () => {
    const { start, finish } = createVirtualPair({
      knobs: { version: "7.2.22" },
      targetKnobs: { version: "10.0.2" },
      arguments: ["-machine", "pc-q35-7.2"],
    });
    start({ target: ack });
    expect(finish()).toBe("failed");
  });

  it("tells underflow while the migration goes on when the modes differ", () => {
    const { start, source, clock } = pair("11.1.3", {
      targetArguments: ["-global", "migration.switchover-ack-legacy=on"],
    });
    start({ source: ack, target: ack, parameters: { "max-bandwidth": 100_000 } });
    clock.advance(1000);
    const info = source.execute("query-migrate") as Record<string, unknown>;
    expect(info.status).toBe("active");
    expect(info["error-desc"]).toBe("Switchover ack pending num underflowed");
  });

  it("fails when a device asks for another one during the switchover", () => {
    const { start, finish, source } = pair("11.1.3", {
      arguments: vfioArguments,
      knobs: { vfio: { v0: { reinitAfterMs: 3000, initialBytes: 1000 } } },
    });
    start({
      source: [...ack, "pause-before-switchover"],
      target: ack,
      exitOnError: false,
      parameters,
    });
    expect(finish(5000)).toBe("pre-switchover");
    source.execute("migrate-continue", { state: "pre-switchover" });
    expect(finish()).toBe("failed");
    const info = source.execute("query-migrate") as Record<string, unknown>;
    expect(info["error-desc"]).toBe("Switchover ACK was requested by 1 devices during switchover");
    expect(source.qemu.isGuestRunning).toBe(true);
  });

  it("is approved by a VFIO target when the initial bytes are loaded", () => {
    const { start, finish, target } = pair("10.0.2", {
      arguments: [...vfioArguments, ...traced, "-device", "vfio-pci,host=01:00.1,id=v1"],
      knobs: { vfio: { "*": { loadInitialMs: 500 } } },
    });
    start({ source: ack, target: ack, parameters });
    finish();
    expect(target.log.filter((line) => line.includes("pending num="))).toEqual([
      "loadvm_state_switchover_ack_needed Switchover ack pending num=2",
      "loadvm_approve_switchover Switchover ack pending num=1",
      "loadvm_approve_switchover Switchover ack pending num=0",
    ]);
    expect(target.log).toContain("vfio_load_state (0000:01:00.0) data 0xffffffffef100005");
  });

  it("refuses the tag on a target that has the capability off", () => {
    const { start, finish, target, clock } = pair("10.0.2", { arguments: vfioArguments });
    start({ source: ack });
    expect(finish()).toBe("failed");
    clock.advance(100);
    expect(target.qemu.exitCode).toBe(1);
    expect(target.stderr.join()).toContain(
      "Received INIT_DATA_SENT but switchover ack is not used",
    );
  });
});

describe("silence", () => {
  it("the target's QMP does not answer while the kernel loads initial bytes", () => {
    const { start, target, clock } = pair("10.0.2", {
      arguments: vfioArguments,
      knobs: { vfio: { v0: { loadInitialMs: 2000 } } },
    });
    const ack = ["events", "return-path", "switchover-ack"];
    start({ source: ack, target: ack });
    clock.advance(500);
    expect(target.tryExecute("query-status", {}, 1000)).toBeUndefined();
    expect(target.tryExecute("query-status", {}, 3000)).toBeDefined();
  });

  it("the source's events keep their time while its QMP is silent", () => {
    const { start, finish, source } = pair("10.0.2", {
      knobs: { usedBytes: 100 << 20, workingSetBytes: 100 << 20, dirtyBytesPerSecond: 4e9 },
    });
    start({ parameters: { "downtime-limit": 2000, "max-bandwidth": 0 } });
    finish();
    const stop = source.events.find(({ event }) => event === "STOP");
    const device = source.events.findIndex(({ data }) => data.status === "device");
    const late = source.events.slice(device + 1)[0];
    expect(stop).toBeDefined();
    expect((late?.arrivedMs ?? 0) - (late?.stampedMs ?? 0)).toBeGreaterThan(20);
  });
});

describe("holding the switchover", () => {
  const hold = (version: string, knobs = {}): VirtualPair => {
    const made = pair(version, { knobs });
    made.source.execute("blockdev-add", { driver: "null-co", "node-name": "H", size: 65536 });
    made.source.execute("block-dirty-bitmap-add", { node: "H", name: "h", granularity: 65536 });
    made.start({
      source: ["events", "return-path", "dirty-bitmaps"],
      parameters: { "downtime-limit": 0 },
    });
    return made;
  };

  it.each(["7.2.22", "10.0.2", "11.1.3"])("%s holds as long as a bitmap is pending", (version) => {
    const { source, target, finish, clock } = hold(version, { dirtyBytesPerSecond: 0 });
    clock.advance(8000);
    expect(source.story()).toEqual(["setup", "active"]);
    expect(() => source.execute("block-dirty-bitmap-remove", { node: "H", name: "h" })).toThrow(
      "Bitmap 'h' is currently in use by another operation and cannot be used",
    );
    const release = version.startsWith("7")
      ? { "downtime-limit": 2_000_000 }
      : { "downtime-limit": 300, "avail-switchover-bandwidth": 1e9 };
    source.execute("migrate-set-parameters", release);
    const releasedMs = clock.nowMs();
    expect(finish(5000)).toBe("completed");
    const stop = source.events.find(({ event }) => event === "STOP");
    expect((stop?.stampedMs ?? 0) - releasedMs).toBeLessThan(150);
    expect(target.stderr.join()).toContain("Cannot find device='H' nor node-name='H'");
    source.execute("block-dirty-bitmap-remove", { node: "H", name: "h" });
  });

  it.each([
    ["7.2.22", "completed"],
    ["10.0.2", "completed"],
    ["11.1.3", "active"],
  ])("%s with downtime-limit 0 and a busy guest ends as %s", (version, status) => {
    const { start, finish } = pair(version, { knobs: { dirtyBytesPerSecond: 1e9 } });
    start({ parameters: { "downtime-limit": 0 } });
    expect(finish(8000)).toBe(status);
  });
});

describe("two starters", () => {
  it.each(["7.2.22", "10.0.2", "11.1.3"])(
    "%s runs both guests when the last word is lost",
    (version) => {
      const { start, finish, source, target } = pair(version);
      target.qemu.fault({ kind: "drop-shut" });
      start();
      expect(finish()).toBe("failed");
      expect([source.qemu.isGuestRunning, target.qemu.isGuestRunning]).toEqual([true, true]);
    },
  );

  it("runs one guest when the target was started paused", () => {
    const { start, finish, source, target } = pair("10.0.2", { targetArguments: ["-S"] });
    target.qemu.fault({ kind: "drop-shut" });
    start();
    expect(finish()).toBe("failed");
    expect([source.qemu.isGuestRunning, target.qemu.runState]).toEqual([true, "paused"]);
  });

  it.each([
    ["10.0.2", true],
    ["11.1.3", false],
  ])("%s without its disk lock runs again: %s", (version, runs) => {
    const { start, finish, source, target } = pair(version);
    source.qemu.fault({ kind: "disk-lock" });
    target.qemu.fault({ kind: "drop-shut" });
    start();
    expect(finish()).toBe("failed");
    expect(source.qemu.isGuestRunning).toBe(runs);
    expect(source.qemu.runState).toBe(runs ? "running" : "finish-migrate");
  });
});

describe("multifd", () => {
  const capabilities = ["events", "return-path", "multifd"];
  const begin = (knobs: object = {}) => {
    const made = pair("10.0.2", { knobs: { linkLatencyMs: 50, ...knobs } });
    made.start({ source: capabilities, target: capabilities });
    return made;
  };

  it("a channel that closes after all was sent is not noticed: nobody reads from it", () => {
    const straight = begin();
    expect(straight.finish()).toBe("completed");
    const loaded = straight.target.events.find(({ data }) => data.status === "completed");
    const { clock, network, source, finish } = begin();
    // Everything is sent to the target, whose last message is still to come.
    clock.advance((loaded?.arrivedMs ?? 0) - 25 - clock.nowMs());
    expect(source.status()).toBe("device");
    network.connections[1]?.cut();
    expect(finish()).toBe("completed");
  });

  it("a channel that closes while there is something to send ends the migration", () => {
    const { clock, network, source, finish } = begin({ linkBytesPerSecond: 1_000_000 });
    clock.runUntil(() => source.status() === "active", 1_000);
    network.connections[1]?.cut();
    expect(finish()).toBe("failed");
  });
});
