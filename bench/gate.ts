import { cpus } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { VmDefinition } from "../core/vm.ts";
import { Fleet } from "../rig/fleet.ts";
import { bootDiskDefinition, writeBootDisk } from "../rig/guest/boot-disk.ts";
import type { GuestLoad } from "../rig/guest/boot-sector.ts";
import { waitForCounter } from "../rig/guest/serial.ts";
import { chooseQemu } from "../rig/qemu.ts";
import { waitUntil } from "../rig/wait-until.ts";
import { wholeNumber } from "../rig/whole-number.ts";
import { findLeftovers } from "./gate-leftovers.ts";
import { gatedMove, type HeldMove, holdMove, type Move, plainMove } from "./gate-move.ts";
import { round, spread } from "./statistics.ts";

const MIB = 2 ** 20;
const HOSTS = ["host-a", "host-b"] as const;
/** With fewer ticks than this the guest has hardly run. */
const TICKS_PER_SECOND_MIN = 20;

/** The guests: one that only counts, and one that dirties its working set all the time. */
const loads: Record<string, GuestLoad> = {
  idle: { dirtyBytesPerSecond: 0, workingSetBytes: 16 * MIB },
  busy: { dirtyBytesPerSecond: 8 * MIB, workingSetBytes: 16 * MIB },
};

const program = new Command("bench:gate")
  .description("A switchover held by the gate beside one without it: the same guest, alternating")
  .option("--json", "print one JSON object as the last line")
  .option("--runs <number>", "moves of each kind and guest", wholeNumber(1, 1000), 5)
  .option("--hold-seconds <number>", "how long it is held", wholeNumber(1, 3600), 20)
  .option("--qemu <path>", "QEMU of both ends")
  .parse();
const options = program.opts<{ json?: true; runs: number; holdSeconds: number; qemu?: string }>();

const qemu = chooseQemu(options.qemu);
const fleet = await Fleet.start({ hosts: { [HOSTS[0]]: qemu.path, [HOSTS[1]]: qemu.path } });
try {
  const guests: Record<string, ReturnType<typeof summary>> = {};
  for (const [name, load] of Object.entries(loads)) guests[name] = await guest(name, load);
  const setup = {
    qemu: qemu.version,
    real: qemu.real,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    guest: "128 MiB, TCG; busy: 8 MiB/s dirtied over 16 MiB",
    holdSeconds: options.holdSeconds,
  };
  console.log(JSON.stringify({ setup, ...guests }, null, options.json ? undefined : 2));
} finally {
  await fleet.stop();
}

/** All moves of one guest, which is ended afterwards: it would disturb the next one's. */
async function guest(vm: string, load: GuestLoad) {
  const disk = join(fleet.folder, `${vm}.img`);
  await writeBootDisk(disk, load);
  const definition = VmDefinition.parse({ memoryBytes: 128 * MIB, ...bootDiskDefinition(disk) });
  await fleet.startVm(vm, HOSTS[0], definition);
  // By then it has dirtied its whole working set once.
  await waitForCounter(fleet.serialLog(HOSTS[0], vm), ({ counter }) => counter > 250, {
    timeoutMs: 60_000,
  });
  const plain: Move[] = [];
  const gated: HeldMove[] = [];
  const there = { vm, source: HOSTS[0], target: HOSTS[1] };
  const back = { vm, source: HOSTS[1], target: HOSTS[0] };
  // One of each to warm up: caches of the file system, of the compiler, of QEMU's probe.
  await plainMove(fleet, there);
  await gatedMove(fleet, back, 1_000);
  for (let run = 1; run <= options.runs; run += 1) {
    // Each kind in each direction.
    const isOdd = run % 2 === 1;
    if (isOdd) plain.push(await plainMove(fleet, there));
    gated.push(await gatedMove(fleet, isOdd ? back : there, options.holdSeconds * 1000));
    if (!isOdd) plain.push(await plainMove(fleet, back));
    if (!options.json) console.error(`${vm}: run ${run} of ${options.runs}`);
  }
  const left = await expectNoLeftovers(vm);
  await fleet.api.deleteVm(vm, { mode: "quit" });
  await waitUntil(`${vm} to stop`, async () =>
    (await fleet.api.getVm(vm)).state === "stopped" ? true : undefined,
  );
  if (gated.some(({ ticksPerSecond }) => !(ticksPerSecond >= TICKS_PER_SECOND_MIN))) {
    throw new Error(`Expected the ${vm} guest to count on while it is held`);
  }
  return summary(plain, gated, left);
}

/** Checks the target's process after a move, and the source's after a held move was cancelled. */
async function expectNoLeftovers(vm: string) {
  const { host: source } = await fleet.api.getVm(vm);
  const target = source === HOSTS[0] ? HOSTS[1] : HOSTS[0];
  const completed = await findLeftovers(fleet, source, vm);
  const id = await holdMove(fleet, { vm, source, target });
  await fleet.api.cancelMigration(id);
  const { status } = await fleet.waitForMigration(id, { everyMs: 500 });
  if (status !== "cancelled") throw new Error(`Expected a held move to be cancelled: ${status}`);
  const cancelled = await findLeftovers(fleet, source, vm);
  const found = [...completed, ...cancelled];
  if (found.length > 0) throw new Error(`The gate left in QEMU: ${found.join(", ")}`);
  return { completed, cancelled };
}

function summary(plain: Move[], gated: HeldMove[], leftBehind: object) {
  const of = <T>(list: T[], figure: (one: T) => number) => spread(list.map(figure));
  const moves = (list: Move[]) => ({
    downtimeMs: of(list, (one) => one.downtimeMs),
    blackoutMs: of(list, (one) => one.blackoutMs),
    downtimeBytes: of(list, (one) => one.downtimeBytes),
  });
  const without = moves(plain);
  const withGate = moves(gated);
  return {
    without,
    withGate,
    downtimeRatio: round(withGate.downtimeMs.median / without.downtimeMs.median),
    blackoutRatio: round(withGate.blackoutMs.median / without.blackoutMs.median),
    permitToStopMs: {
      sinceOpened: of(gated, (one) => one.openedToStopMs),
      sinceAnswered: of(gated, (one) => one.answeredToStopMs),
      sinceSent: of(gated, (one) => one.sentToStopMs),
    },
    whileHeld: {
      guestTicksPerSecond: of(gated, (one) => one.ticksPerSecond),
      qemuCpuPercent: of(gated, (one) => one.qemuCpuPercent),
      agentCpuPercent: of(gated, (one) => one.agentCpuPercent),
      passesPerSecond: of(gated, (one) => one.passesPerSecond),
      sentBytesPerSecond: of(gated, (one) => one.sentBytesPerSecond),
    },
    leftBehind,
  };
}
