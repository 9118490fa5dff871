import { describe, expect, it } from "vitest";
import { createVirtualPair, type VirtualPair } from "../virtual-pair.ts";

const capabilities = ["events", "return-path", "postcopy-ram"];

/** In postcopy-active, with much left to send. */
function startPostcopy(version: string): VirtualPair {
  const pair = createVirtualPair({
    knobs: { version, usedBytes: 120 << 20, workingSetBytes: 100 << 20, dirtyBytesPerSecond: 2e9 },
  });
  pair.start({
    source: capabilities,
    target: capabilities,
    parameters: { "max-bandwidth": 50_000_000, "max-postcopy-bandwidth": 10_000_000 },
  });
  pair.clock.advance(500);
  pair.source.execute("migrate-start-postcopy");
  pair.clock.advance(1000);
  return pair;
}

describe("postcopy", () => {
  it.each([
    ["7.2.22", ["setup", "active", "postcopy-active", "STOP", "completed"]],
    ["10.0.2", ["setup", "active", "STOP", "device", "postcopy-active", "completed"]],
    [
      "11.1.3",
      ["setup", "active", "STOP", "device", "postcopy-device", "postcopy-active", "completed"],
    ],
  ])("%s runs the target first and sends the rest afterwards", (version, story) => {
    const { source, target, finish } = startPostcopy(version);
    expect(source.status()).toBe("postcopy-active");
    expect(target.qemu.isGuestRunning).toBe(true);
    expect(source.qemu.runState).toBe("finish-migrate");
    expect(() => source.execute("cont")).toThrow("Migration is not finalized yet");
    expect(finish()).toBe("completed");
    expect(source.story()).toEqual(story);
  });

  it.each(["7.2.22", "10.0.2", "11.1.3"])("%s pauses on a cut and recovers", (version) => {
    const { source, target, network, clock, finish } = startPostcopy(version);
    for (const connection of [...network.connections]) connection.cut();
    clock.advance(100);
    expect([source.status(), target.status()]).toEqual(["postcopy-paused", "postcopy-paused"]);
    expect(target.qemu.isGuestRunning).toBe(false);
    target.tryExecute("migrate-recover", { uri: "tcp:target:7000" }, 1000, true);
    source.execute("migrate", { uri: "tcp:nowhere:1", resume: true });
    clock.advance(100);
    expect(source.status()).toBe("postcopy-paused");
    source.execute("migrate", { uri: "tcp:target:7000", resume: true });
    expect(finish()).toBe("completed");
    expect(target.status()).toBe("completed");
    expect(target.qemu.isGuestRunning).toBe(true);
    const hasSetup = source.story().includes("postcopy-recover-setup");
    expect(hasSetup).toBe(!version.startsWith("7"));
  });

  it("migrate-pause does the same by will", () => {
    const { source, target, clock } = startPostcopy("10.0.2");
    source.tryExecute("migrate-pause", {}, 1000, true);
    clock.advance(100);
    expect([source.status(), target.status()]).toEqual(["postcopy-paused", "postcopy-paused"]);
  });

  it("cannot be cancelled, except on 7.2, which loses the guest", () => {
    const kept = startPostcopy("10.0.2");
    expect(() => kept.source.execute("migrate_cancel")).toThrow(
      "Postcopy migration in progress, cannot cancel.",
    );
    const lost = startPostcopy("7.2.22");
    lost.source.execute("migrate_cancel");
    lost.finish(1000);
    lost.clock.advance(100);
    expect(lost.source.status()).toBe("cancelled");
    expect(lost.target.status()).toBe("postcopy-paused");
  });
});
