import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { writeBootDisk } from "./boot-disk.ts";
import { GUEST_PAGE_BYTES, type GuestLoad, WORKING_SET_START_BYTES } from "./boot-sector.ts";
import { parseSerialLog, waitForCounter } from "./serial.ts";
import { type GuestQemu, type GuestQemuOptions, startGuestQemu } from "./testing/guest-qemu.ts";

const BINARY = process.env.SWITCHYARD_QEMU || "qemu-system-x86_64";
const hasQemu = spawnSync(BINARY, ["--version"]).status === 0;
const MIB = 1024 * 1024;
/** Generous: the machine may be busy. */
const PATIENCE = { timeoutMs: 60_000 };

const started: GuestQemu[] = [];
let directory = "";

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-guest-"));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((qemu) => qemu.stop()));
  await rm(directory, { recursive: true });
});

describe.skipIf(!hasQemu)("the guest on a real QEMU (needs qemu-system-x86_64)", () => {
  it.each(["pc", "q35"])(
    "greets, counts in tens and finds its memory intact on %s",
    async (machine) => {
      // A lap takes 15 ticks, and the working set is as large as it may be.
      const load = { dirtyBytesPerSecond: 400 * MIB, workingSetBytes: 60 * MIB };
      const { serialPath } = await start("vm", load, { machine });
      await waitForCounter(serialPath, ({ counter }) => counter >= 100, PATIENCE);
      const log = await readLog(serialPath);
      expect(log.ready).toBe(true);
      expect(log.lines).toEqual(tens(log.lines.length));
    },
  );

  it("dirties exactly the pages its rate asks for", async () => {
    // 2.56 pages per tick, the first lap still going on: every written page shows.
    const load = { dirtyBytesPerSecond: MIB, workingSetBytes: 16 * MIB };
    const { qmp, serialPath } = await start("vm", load);
    await waitForCounter(serialPath, ({ counter }) => counter >= 50, PATIENCE);
    await qmp.executeAny("stop");
    const { counter = 0 } = await readLog(serialPath);
    const pages = await readWorkingSet(qmp, load);
    const written = pages.filter((page) => page !== 0).length;
    // The guest stopped at some tick after the last line.
    expect(written).toBeGreaterThanOrEqual(Math.floor(counter * 2.56));
    expect(written).toBeLessThanOrEqual(Math.floor((counter + 10) * 2.56));
    expect(pages.slice(0, written)).toEqual(Array.from({ length: written }, (_, i) => i + 1));
  });

  it("starts anew, with a blank working set, after a reset", async () => {
    const load = { dirtyBytesPerSecond: 100 * MIB, workingSetBytes: 8 * MIB };
    const { qmp, serialPath } = await start("vm", load);
    await waitForCounter(serialPath, ({ counter }) => counter >= 40, PATIENCE);
    await qmp.executeAny("system_reset");
    await vi.waitFor(
      async () => {
        const [, , secondRun = ""] = (await readFile(serialPath, "latin1")).split("guest ready");
        const { lines } = parseSerialLog(secondRun);
        expect(lines.length).toBeGreaterThanOrEqual(4);
        expect(lines).toEqual(tens(lines.length));
      },
      { timeout: PATIENCE.timeoutMs, interval: 50 },
    );
  });

  it("leaves its working set alone at a rate of 0", async () => {
    const load = { dirtyBytesPerSecond: 0, workingSetBytes: MIB };
    const { qmp, serialPath } = await start("vm", load);
    await waitForCounter(serialPath, ({ counter }) => counter >= 30, PATIENCE);
    const pages = await readWorkingSet(qmp, load);
    expect(pages.every((page) => page === 0)).toBe(true);
  });

  it("shows its rate to QEMU's own dirty log", async () => {
    const load = { dirtyBytesPerSecond: 8 * MIB, workingSetBytes: 124 * MIB };
    const { qmp, serialPath } = await start("vm", load, { memoryMebibytes: 128 });
    const first = await waitForCounter(serialPath, ({ counter }) => counter >= 10, PATIENCE);
    // QEMU reports the rate until the migration ends, for passes longer than a second: so the
    // first pass is slowed down, and the end held off in pre-switchover.
    const capabilities = [{ capability: "pause-before-switchover", state: true }];
    await qmp.executeAny("migrate-set-capabilities", { capabilities });
    await qmp.executeAny("migrate-set-parameters", { "max-bandwidth": 1024 });
    await qmp.executeAny("migrate", { uri: "exec:cat >/dev/null" });
    await waitForCounter(serialPath, ({ counter }) => counter >= first.counter + 150, PATIENCE);
    await qmp.executeAny("migrate-set-parameters", { "max-bandwidth": 1024 * MIB });
    const { ram } = await untilMigration(qmp, "pre-switchover");
    // 2048 asked for. A starved guest ticks late, and catches up at most the one tick it missed.
    expect(ram?.["dirty-pages-rate"]).toBeGreaterThan(800);
    expect(ram?.["dirty-pages-rate"]).toBeLessThan(2_500);
  });

  it("goes on counting on the target without a gap, its memory intact", async () => {
    const load = { dirtyBytesPerSecond: 16 * MIB, workingSetBytes: 8 * MIB };
    const source = await start("source", load);
    // One lap takes 50 ticks: the walk is well past its first lap.
    await waitForCounter(source.serialPath, ({ counter }) => counter >= 100, PATIENCE);
    const target = await start("target", load, { args: ["-incoming", "defer"] });
    const uri = `unix:${join(directory, "migration")}`;
    await target.qmp.executeAny("migrate-incoming", { uri });
    await source.qmp.executeAny("migrate", { uri });
    await untilMigration(source.qmp, "completed");

    const before = (await readLog(source.serialPath)).counter ?? 0;
    // Two laps over all that was moved.
    await waitForCounter(target.serialPath, ({ counter }) => counter > before + 100, PATIENCE);
    const texts = [source, target].map(({ serialPath }) => readFile(serialPath, "latin1"));
    const { lines } = parseSerialLog((await Promise.all(texts)).join(""));
    expect(lines).toEqual(tens(lines.length));
    expect((await readLog(target.serialPath)).ready).toBe(false);
  });

  it("counts an error for each page that something else changed", async () => {
    const load = { dirtyBytesPerSecond: 16 * MIB, workingSetBytes: 8 * MIB };
    const gdb = join(directory, "gdb");
    const args = ["-gdb", `unix:${gdb},server=on,wait=off`];
    const { serialPath } = await start("vm", load, { args });
    const sound = await waitForCounter(serialPath, ({ counter }) => counter >= 60, PATIENCE);
    expect(sound.errors).toBe(0);
    await corruptPages(gdb, [3, 1_000]);
    const first = await waitForCounter(serialPath, ({ errors }) => errors >= 2, PATIENCE);
    // Each is counted once: the walk mends what it finds.
    const aLapLater = ({ counter }: { counter: number }) => counter >= first.counter + 60;
    expect((await waitForCounter(serialPath, aLapLater, PATIENCE)).errors).toBe(2);
  });
});

type MigrateInfo = {
  readonly status?: string;
  readonly ram?: { readonly "dirty-pages-rate": number };
};

async function start(
  name: string,
  load: GuestLoad,
  more: Partial<GuestQemuOptions> = {},
): Promise<GuestQemu> {
  const diskPath = join(directory, "boot.img");
  if (name !== "target") await writeBootDisk(diskPath, load);
  const qemu = await startGuestQemu({ binary: BINARY, directory, name, diskPath, ...more });
  started.push(qemu);
  return qemu;
}

/** What an intact guest prints first: 10, 20, 30, each without errors. */
function tens(length: number) {
  return Array.from({ length }, (_, i) => ({ counter: (i + 1) * 10, errors: 0 }));
}

async function readLog(path: string) {
  return parseSerialLog(await readFile(path, "latin1"));
}

/** The dword at the start of each page of the working set. */
async function readWorkingSet(qmp: GuestQemu["qmp"], load: GuestLoad): Promise<number[]> {
  const filename = join(directory, "memory");
  const range = { val: WORKING_SET_START_BYTES, size: load.workingSetBytes };
  await qmp.executeAny("pmemsave", { ...range, filename });
  const memory = await readFile(filename);
  const pages = load.workingSetBytes / GUEST_PAGE_BYTES;
  return Array.from({ length: pages }, (_, page) => memory.readUInt32LE(page * GUEST_PAGE_BYTES));
}

async function untilMigration(qmp: GuestQemu["qmp"], status: string): Promise<MigrateInfo> {
  return await vi.waitFor(
    async () => {
      const info = (await qmp.executeAny("query-migrate")) as MigrateInfo;
      expect(info.status).toBe(status);
      return info;
    },
    { timeout: PATIENCE.timeoutMs, interval: 50 },
  );
}

/** Overwrites the dword of some pages through QEMU's gdb stub; the guest stands still meanwhile. */
async function corruptPages(path: string, pages: readonly number[]): Promise<void> {
  const socket = createConnection(path);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  const command = async (text: string) => {
    answer = "";
    socket.write(`+${gdbPacket(text)}`);
    await vi.waitFor(() => expect(answer).toContain("$OK#"), { timeout: 10_000, interval: 10 });
  };
  for (const page of pages) {
    const address = WORKING_SET_START_BYTES + page * GUEST_PAGE_BYTES;
    await command(`M${address.toString(16)},4:deadbeef`);
  }
  await command("D");
  socket.destroy();
}

function gdbPacket(text: string): string {
  const sum = [...Buffer.from(text)].reduce((total, byte) => (total + byte) % 256, 0);
  return `$${text}#${sum.toString(16).padStart(2, "0")}`;
}
