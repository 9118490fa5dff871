import { describe, expect, it } from "vitest";
import { createVirtualPair, type VirtualOptions, type VirtualPair } from "../virtual-pair.ts";

const usual = ["events", "return-path"];
const multifd = [...usual, "multifd"];
const yank = { instances: [{ type: "migration" }] };

const pair = (version: string, options: VirtualOptions = {}): VirtualPair =>
  createVirtualPair({
    ...options,
    // Enough to fill the network's buffers, so that the source blocks on a target that does not
    // read.
    knobs: { version, usedBytes: 120 << 20, workingSetBytes: 100 << 20, dirtyBytesPerSecond: 1e9 },
  });

describe("settings that differ between the sides", () => {
  it("multifd on the source only fails", () => {
    const { start, finish, target } = pair("10.0.2");
    start({ source: multifd, exitOnError: false });
    expect(finish()).toBe("failed");
    expect(target.stderr.join()).toContain("Extra incoming migration connection; ignoring");
  });

  it("multifd on the target only hangs in active", () => {
    const { start, finish, source, target } = pair("10.0.2");
    start({ target: multifd });
    expect(finish(30_000)).toBe("active");
    expect(target.execute("query-migrate")).toMatchObject({ status: "setup" });
    source.execute("migrate_cancel");
    expect(finish(1000)).toBe("cancelled");
  });

  it("more channels on the source hang the target's QMP until an out-of-band yank", () => {
    const { start, finish, source, target } = pair("10.0.2");
    start({ source: multifd, target: multifd, parameters: { "multifd-channels": 4 } });
    expect(finish(10_000)).toBe("setup");
    expect(target.tryExecute("query-status", {}, 5000)).toBeUndefined();
    expect(target.tryExecute("yank", yank, 1000, true)).toEqual({});
    expect(finish(1000)).toBe("failed");
    expect(source.qemu.isGuestRunning).toBe(true);
  });

  it("fewer channels on the source hold it in active, and cancel sticks until yank", () => {
    const { start, finish, source } = pair("10.0.2");
    start({ source: multifd, target: multifd, targetParameters: { "multifd-channels": 4 } });
    expect(finish(10_000)).toBe("active");
    source.execute("migrate_cancel");
    expect(finish(10_000)).toBe("cancelling");
    source.execute("yank", yank);
    expect(finish(1000)).toBe("cancelled");
  });

  it("another compression is told by the target", () => {
    const { start, finish, target } = pair("10.0.2");
    start({
      source: multifd,
      target: multifd,
      parameters: { "multifd-compression": "zstd" },
      exitOnError: false,
    });
    expect(finish()).toBe("failed");
    expect(target.execute("query-migrate")).toEqual({
      status: "failed",
      "error-desc": "multifd 0: flags received 4 flags expected 0",
    });
  });

  it("postcopy-ram on the source only is refused by the target", () => {
    const { start, finish, source, target } = pair("10.0.2");
    start({ source: [...usual, "postcopy-ram"], exitOnError: false });
    expect(finish()).toBe("failed");
    expect(source.execute("query-migrate")).toMatchObject({
      "error-desc": "Sibling indicated error 1",
    });
    expect(target.stderr.join()).toContain("RAM postcopy is disabled but have 16 byte advise");
  });

  it("other machine types are refused by the target", () => {
    const { start, finish, target } = createVirtualPair({
      knobs: { version: "10.0.2" },
      targetKnobs: { version: "11.1.3" },
      arguments: ["-machine", "q35"],
    });
    start({ exitOnError: false });
    expect(finish()).toBe("failed");
    expect(target.execute("query-migrate")).toMatchObject({
      "error-desc":
        "load of migration failed: Invalid argument: Machine type received is 'pc-q35-10.0' and local is 'pc-q35-11.1'",
    });
  });

  it.each([
    ["client", "server", "/a", "/a", "completed"],
    ["client", "server", "/a", "/b", "failed"],
    ["server", "server", "/a", "/a", "failed"],
    ["client", "client", "/a", "/a", "failed"],
  ])("TLS of %s to %s with keys of %s and %s ends as %s", (near, far, own, other, status) => {
    const { start, finish, source, target } = pair("10.0.2");
    const credentials = { "qom-type": "tls-creds-psk", id: "t" };
    source.execute("object-add", { ...credentials, endpoint: near, dir: own });
    target.execute("object-add", { ...credentials, endpoint: far, dir: other });
    const parameters = { "tls-creds": "t" };
    start({ parameters: { ...parameters, "downtime-limit": 2000 }, targetParameters: parameters });
    expect(finish()).toBe(status);
  });

  it.each([
    ["10.0.2", "t", undefined, "TLS handshake failed", "failed"],
    ["10.0.2", "t", "nobody", "TLS handshake failed", "failed"],
    ["7.2.0", "t", "nobody", "TLS handshake failed", "setup"],
    ["10.0.2", undefined, "t", "Connection reset by peer", "setup"],
    ["10.0.2", "nobody", undefined, "No TLS credentials with id 'nobody'", "active"],
  ])(
    "%s with credentials %s to %s tells `%s` and leaves the target in %s",
    (version, near, far, why, status) => {
      const { start, finish, source, target } = pair(version);
      const key = { "qom-type": "tls-creds-psk", id: "t", dir: "/a" };
      source.execute("object-add", { ...key, endpoint: "client" });
      target.execute("object-add", { ...key, endpoint: "server" });
      start({
        ...(near === undefined ? {} : { parameters: { "tls-creds": near } }),
        ...(far === undefined ? {} : { targetParameters: { "tls-creds": far } }),
        ...(version === "7.2.0" ? {} : { exitOnError: false }),
      });
      expect(finish()).toBe("failed");
      expect(source.execute("query-migrate")).toMatchObject({
        "error-desc": expect.stringContaining(why),
      });
      expect(source.qemu.isGuestRunning).toBe(true);
      expect(target.status()).toBe(status);
    },
  );

  it("a device that the target lacks costs a blip of downtime", () => {
    const { start, finish, source } = createVirtualPair({
      sourceArguments: ["-device", "virtio-balloon-pci,id=b0"],
    });
    start({ exitOnError: false });
    expect(finish()).toBe("failed");
    expect(source.story()).toEqual(["setup", "active", "STOP", "device", "failed", "RESUME"]);
  });
});

describe("cancel", () => {
  it("ends as failed in a share of the cases on 10.0, by seed", () => {
    const ends = Array.from({ length: 60 }, (_, seed) => {
      const { start, finish, source, clock } = createVirtualPair({
        knobs: { seed, usedBytes: 100 << 20, dirtyBytesPerSecond: 1e9 },
      });
      start({ parameters: { "max-bandwidth": 10_000_000 } });
      clock.advance(300);
      source.execute("migrate_cancel");
      const end = finish();
      expect(source.qemu.isGuestRunning).toBe(true);
      return end;
    });
    const failed = ends.filter((end) => end === "failed").length;
    expect(failed).toBeGreaterThan(10);
    expect(failed).toBeLessThan(40);
    expect(ends.length - failed).toBe(ends.filter((end) => end === "cancelled").length);
  });

  it("ends the target's process with code 1, or leaves it useless", () => {
    for (const exitOnError of [true, false]) {
      const { start, finish, source, target, clock } = pair("11.1.3");
      start({ parameters: { "max-bandwidth": 10_000_000 }, exitOnError });
      clock.advance(300);
      source.execute("migrate_cancel");
      expect(finish()).toBe("cancelled");
      clock.advance(100);
      expect(target.qemu.exitCode).toBe(exitOnError ? 1 : undefined);
      expect(target.story()).toEqual(["setup", "active", "failed"]);
    }
  });
});

describe("faults", () => {
  it("a stalled link is silence, and cancel ends it", () => {
    const { start, finish, source, network, clock } = pair("11.1.3");
    start({ parameters: { "max-bandwidth": 50_000_000 } });
    clock.advance(300);
    for (const connection of network.connections) connection.stall(true);
    clock.advance(3000);
    const before = source.execute("query-migrate") as { ram: { transferred: number } };
    clock.advance(3000);
    const after = source.execute("query-migrate") as { ram: { transferred: number } };
    expect(after.ram.transferred).toBe(before.ram.transferred);
    source.execute("migrate_cancel");
    expect(finish(100)).toBe("cancelled");
  });

  it("a cut link fails the migration at once and leaves the guest alone", () => {
    const { start, finish, source, network, clock } = pair("11.1.3");
    start({ parameters: { "max-bandwidth": 50_000_000 } });
    clock.advance(300);
    for (const connection of [...network.connections]) connection.cut();
    expect(finish(10)).toBe("failed");
    expect(source.story()).toEqual(["setup", "active", "failing", "failed"]);
  });

  it.each([
    ["exit", { kind: "exit", at: "active", afterMs: 20 }],
    ["freeze", { kind: "freeze", at: "active", afterMs: 20, forMs: 1000 }],
    ["stall", { kind: "stall", at: "active", afterMs: 20, forMs: 1000 }],
  ] as const)("%s of the target strikes at its moment", (kind, fault) => {
    const { start, finish, target, clock } = pair("10.0.2");
    target.qemu.fault(fault);
    start({ parameters: { "downtime-limit": 2000, "max-bandwidth": 200_000_000 } });
    expect(finish()).toBe(kind === "exit" ? "failed" : "completed");
    expect(target.qemu.exitCode).toBe(kind === "exit" ? 137 : undefined);
    if (kind !== "exit") expect(clock.nowMs()).toBeGreaterThan(1000);
  });

  it("a device that does not load fails the migration, and the source runs again", () => {
    const { start, finish, source, target } = createVirtualPair({
      arguments: ["-device", "vfio-pci,host=01:00.0,id=v0,enable-migration=on"],
    });
    target.qemu.fault({ kind: "fail-load" });
    start({ parameters: { "avail-switchover-bandwidth": 1e9 } });
    expect(finish()).toBe("failed");
    expect(source.qemu.isGuestRunning).toBe(true);
  });

  it("a QMP stall holds everything back, and what was asked is answered afterwards", () => {
    const { source } = pair("10.0.2");
    source.qemu.fault({ kind: "qmp-stall", forMs: 2000 });
    expect(source.tryExecute("query-status", {}, 1500)).toBeUndefined();
    expect(source.tryExecute("query-status", {}, 1000)).toBeDefined();
  });
});
