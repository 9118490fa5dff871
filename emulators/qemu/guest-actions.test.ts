import { describe, expect, it } from "vitest";
import { createVirtualPair } from "./virtual-pair.ts";

describe("a guest that acts by itself", () => {
  it("acts at its tick, and not again after a move", () => {
    const act = { action: "panic", afterTicks: 300 } as const;
    const { source, target, start, finish, clock } = createVirtualPair({
      knobs: { act },
      targetKnobs: { act },
      arguments: ["-action", "panic=none"],
    });
    clock.advance(2900);
    expect(source.story()).not.toContain("GUEST_PANICKED");
    clock.advance(200);
    expect(source.story()).toContain("GUEST_PANICKED");
    start();
    expect(finish()).toBe("completed");
    clock.advance(10_000);
    expect(target.story()).not.toContain("GUEST_PANICKED");
  });

  it("acts on the target if it moved before its tick", () => {
    const act = { action: "sleep", afterTicks: 300 } as const;
    const pair = createVirtualPair({ knobs: { act }, targetKnobs: { act } });
    pair.clock.advance(1000);
    pair.start();
    expect(pair.finish()).toBe("completed");
    pair.clock.advance(1000);
    expect(pair.target.story()).not.toContain("SUSPEND");
    pair.clock.advance(1100);
    expect(pair.target.story()).toContain("SUSPEND");
  });

  it("acts at a migration status, and moves in the run state that follows", () => {
    const { source, target, start, finish } = createVirtualPair({ targetArguments: ["-S"] });
    source.qemu.fault({ kind: "act", action: "io-error", at: "active" });
    start();
    expect(finish()).toBe("completed");
    expect(source.story()).toContain("BLOCK_IO_ERROR");
    expect(target.qemu.runState).toBe("io-error");
    target.execute("cont");
    expect(target.qemu.runState).toBe("running");
  });

  it("shuts down on system_powerdown if it obeys", () => {
    const { source, clock } = createVirtualPair({ knobs: { obeysPowerdown: true } });
    source.execute("system_powerdown");
    clock.advance(200);
    expect(source.qemu.exitCode).toBe(0);
  });
});

it("auto-converge sums the dirty pages of all passes of a period", () => {
  const knobs = { usedBytes: 32 << 20, workingSetBytes: 32 << 20, dirtyBytesPerSecond: 400e6 };
  const { source, start, clock } = createVirtualPair({ knobs });
  const parameters = { "max-bandwidth": 100_000_000, "downtime-limit": 1 };
  start({ source: ["events", "return-path", "auto-converge"], parameters });
  clock.advance(6000);
  expect(source.execute("query-migrate")).toHaveProperty("cpu-throttle-percentage");
});
