import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { QmpEvent } from "../../qmp/events.ts";
import { type ActingGuestLoad, PANIC_DEVICE, writeActingDisk } from "./acting-guest.ts";
import { parseSerialLog, waitForCounter } from "./serial.ts";
import { expectStatus, moveGuest } from "./testing/bare-qmp.ts";
import { type GuestQemu, startGuestQemu } from "./testing/guest-qemu.ts";
import { eachQemu, hasQemu } from "./testing/qemu-binaries.ts";

/** On a busy machine. */
const WAIT_MS = 60_000;
const MIB = 1024 * 1024;
const PATIENCE = { timeoutMs: 60_000 };
const AFTER_TICKS = 30;
/** A lap over the working set takes 50 ticks. */
const LOAD = { afterTicks: AFTER_TICKS, dirtyBytesPerSecond: 16 * MIB, workingSetBytes: 8 * MIB };

const started: GuestQemu[] = [];
let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-guest-"));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((qemu) => qemu.stop()));
  await rm(directory, { recursive: true });
});

describe.skipIf(!hasQemu).each(eachQemu)("the acting guest on QEMU %s", (version, binary) => {
  it.each(["pc", "q35"])("sleeps on %s, and goes on counting after a wake-up", async (machine) => {
    const { qemu, events } = await start(binary, "sleep", ["-machine", machine]);
    await expectStatus(qemu, "suspended");
    expect(names(events)).toEqual(["RESUME", "SUSPEND"]);
    await qemu.qmp.executeAny("system_wakeup");
    const isLater = ({ counter }: { counter: number }) => counter >= AFTER_TICKS + 100;
    await waitForCounter(qemu.serialPath, isLater, PATIENCE);
    const text = await readFile(qemu.serialPath, "latin1");
    expect(text).toContain("switchyard guest acts\r\nswitchyard guest woke\r\n");
    expect(text.split("switchyard guest ready")).toHaveLength(2);
    expectTens(text);
    expect(names(events)).toEqual(["RESUME", "SUSPEND", "WAKEUP"]);
    await expectStatus(qemu, "running");
  });

  it.runIf(version !== "7.2")("moves asleep, and wakes up where it has arrived", async () => {
    const { qemu: source } = await start(binary, "sleep");
    await expectStatus(source, "suspended");
    const target = await startQemu(binary, "target", ["-incoming", "defer"]);
    await moveGuest(source, target, directory);
    await expectStatus(source, "postmigrate");
    await expectStatus(target, "paused");
    await target.qmp.executeAny("cont");
    await expectStatus(target, "suspended");
    await target.qmp.executeAny("system_wakeup");
    await expectCountsOn(source, target);
  });

  it.runIf(version === "7.2")("is woken by a move, and goes on where it arrives", async () => {
    const { qemu: source, events } = await start(binary, "sleep");
    await expectStatus(source, "suspended");
    const target = await startQemu(binary, "target", ["-incoming", "defer"]);
    await moveGuest(source, target, directory);
    expect(names(events)).toEqual(["RESUME", "SUSPEND", "STOP", "WAKEUP"]);
    await expectStatus(target, "paused");
    await target.qmp.executeAny("cont");
    await expectCountsOn(source, target);
  });

  it("powers itself off, and QEMU stays with -no-shutdown", async () => {
    const { qemu, events } = await start(binary, "power-off", ["-no-shutdown"]);
    await expectStatus(qemu, "shutdown");
    expect(names(events)).toEqual(["RESUME", "SHUTDOWN", "STOP"]);
    expect(events[1]?.data).toEqual({ guest: true, reason: "guest-shutdown" });
    await expect(qemu.qmp.executeAny("cont")).rejects.toThrow("Resetting the Virtual Machine");
  });

  it("powers itself off, and QEMU exits", async () => {
    const { qemu, events } = await start(binary, "power-off");
    await qemu.qmp.closed;
    expect(names(events)).toEqual(["RESUME", "SHUTDOWN"]);
    expect(events[1]?.data).toEqual({ guest: true, reason: "guest-shutdown" });
  });

  it("panics, and QEMU pauses it", async () => {
    const { qemu, events } = await start(binary, "panic", ["-action", "panic=pause"]);
    await expectStatus(qemu, "guest-panicked");
    expect(names(events)).toEqual(["RESUME", "GUEST_PANICKED", "STOP"]);
    expect(events[1]?.data).toMatchObject({ action: "pause" });
  });

  it("resets itself, and boots and resets again", async () => {
    const { qemu, events } = await start(binary, "reset");
    const runs = await vi.waitFor(async () => {
      const text = await readFile(qemu.serialPath, "latin1");
      expect(text.split("guest acts").length).toBeGreaterThan(2);
      return text.split("guest ready");
    }, WAIT_MS);
    expect(parseSerialLog(runs[1] ?? "").counter).toBe(AFTER_TICKS);
    expect(parseSerialLog(runs[2] ?? "").counter).toBe(AFTER_TICKS);
    // More than one event for each action: SeaBIOS, entered by a reset, resets the machine itself.
    expect(new Set(names(events))).toEqual(new Set(["RESUME", "RESET"]));
    expect(events[1]?.data).toEqual({ guest: true, reason: "guest-reset" });
    await expectStatus(qemu, "running");
  });

  it("counts on without an action", async () => {
    const { qemu, events } = await start(binary, "none");
    const isLater = ({ counter }: { counter: number }) => counter >= 2 * AFTER_TICKS;
    await waitForCounter(qemu.serialPath, isLater, PATIENCE);
    expectTens(await readFile(qemu.serialPath, "latin1"));
    expect(names(events)).toEqual(["RESUME"]);
  });
});

/** Starts the guest after the events are subscribed to, so that none is missed. */
async function start(
  binary: string,
  action: ActingGuestLoad["action"],
  args: readonly string[] = [],
): Promise<{ qemu: GuestQemu; events: QmpEvent[] }> {
  await writeActingDisk(join(directory, "boot.img"), { ...LOAD, action });
  const qemu = await startQemu(binary, "source", args);
  const events: QmpEvent[] = [];
  qemu.qmp.on("*", (event) => {
    events.push(event);
  });
  await qemu.qmp.executeAny("cont");
  return { qemu, events };
}

async function startQemu(
  binary: string,
  name: string,
  args: readonly string[],
): Promise<GuestQemu> {
  const panic = ["-device", JSON.stringify(PANIC_DEVICE)];
  const diskPath = join(directory, "boot.img");
  const all = ["-S", ...panic, ...args];
  const qemu = await startGuestQemu({ binary, directory, name, diskPath, args: all });
  started.push(qemu);
  return qemu;
}

function names(events: readonly QmpEvent[]): string[] {
  return events.map(({ name }) => name).filter((name) => !name.startsWith("RTC"));
}

/** The guest's counter has no gap, no repeat, and no error. */
function expectTens(text: string): void {
  const { lines } = parseSerialLog(text);
  expect(lines).toEqual(lines.map((_, i) => ({ counter: (i + 1) * 10, errors: 0 })));
}

/** The target's guest counts on from where the source's fell asleep, its memory intact. */
async function expectCountsOn(source: GuestQemu, target: GuestQemu): Promise<void> {
  const isLater = ({ counter }: { counter: number }) => counter >= AFTER_TICKS + 100;
  await waitForCounter(target.serialPath, isLater, PATIENCE);
  const logs = [source, target].map(({ serialPath }) => readFile(serialPath, "latin1"));
  expectTens((await Promise.all(logs)).join(""));
}
