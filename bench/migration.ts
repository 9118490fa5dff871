import { cpus } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { VmDefinition } from "../core/vm.ts";
import { Fleet } from "../rig/fleet.ts";
import { bootDiskDefinition, writeBootDisk } from "../rig/guest/boot-disk.ts";
import { waitForCounter } from "../rig/guest/serial.ts";
import { chooseQemu } from "../rig/qemu.ts";
import { waitUntil } from "../rig/wait-until.ts";
import { wholeNumber } from "../rig/whole-number.ts";
import { type BareRun, bareMigration } from "./bare.ts";
import { loopMs } from "./loop.ts";
import { round, spread } from "./statistics.ts";

const MIB = 2 ** 20;
const VM = "bench";
/** Of each kind; even, so that the guest is back where it began. */
const WARM_UP = 8;
const HOSTS = ["host-a", "host-b"] as const;

const program = new Command("bench:migration")
  .description("Our migration beside a bare QMP script: the same guest, alternating, in one run")
  .option("--json", "print one JSON object as the last line")
  .option("--runs <number>", "migrations of each kind", wholeNumber(1, 1000), 10)
  .option("--qemu <path>", "QEMU of both ends")
  .parse();
const options = program.opts<{ json?: true; runs: number; qemu?: string }>();

type OurRun = BareRun & { totalMs: number; targetStartMs: number; checkMs: number };

const qemu = chooseQemu(options.qemu);
const fleet = await Fleet.start({ hosts: { [HOSTS[0]]: qemu.path, [HOSTS[1]]: qemu.path } });
try {
  const disk = join(fleet.folder, "boot.img");
  await writeBootDisk(disk, { dirtyBytesPerSecond: MIB, workingSetBytes: 8 * MIB });
  const definition = VmDefinition.parse({ memoryBytes: 128 * MIB, ...bootDiskDefinition(disk) });
  await fleet.startVm(VM, HOSTS[0], definition);
  await waitForCounter(fleet.serialLog(HOSTS[0], VM), ({ counter }) => counter > 20, {
    timeoutMs: 60_000,
  });
  const ours: OurRun[] = [];
  const bare: BareRun[] = [];
  // To warm up: caches of the file system, of the compiler, of QEMU's probe.
  for (let run = 0; run < WARM_UP; run += 1) await both(definition, run);
  const loop = { before: loopMs(), after: 0 };
  for (let run = 1; run <= options.runs; run += 1) {
    const pair = await both(definition, run - 1);
    ours.push(pair.ours);
    bare.push(pair.bare);
    if (!options.json) console.error(`run ${run} of ${options.runs}`);
  }
  loop.after = loopMs();
  report(ours, bare, loop);
} finally {
  await fleet.stop();
}

async function both(definition: VmDefinition, run: number) {
  const bare = await bareMigration(qemu.path, definition);
  const ours = await ourMigration(HOSTS[run % 2] ?? HOSTS[0], HOSTS[(run + 1) % 2] ?? HOSTS[1]);
  return { bare, ours };
}

async function ourMigration(source: string, target: string): Promise<OurRun> {
  const { id } = await fleet.api.createMigration({ vm: VM, target });
  // All times are the record's own: seldom polling disturbs it less and costs no precision.
  const migration = await fleet.waitForMigration(id, { everyMs: 500 });
  const { figures, targetStartMs, stoppedAtMs, targetRunningAtMs, endedAt, createdAt } = migration;
  const { twinCheck } = migration;
  if (
    !figures ||
    !twinCheck ||
    targetStartMs === undefined ||
    stoppedAtMs === undefined ||
    targetRunningAtMs === undefined ||
    endedAt === undefined
  ) {
    throw new Error(
      `The migration ended ${migration.status}: ${JSON.stringify(migration.failure)}`,
    );
  }
  // The next migration goes to the host that this one left.
  await waitUntil("the end of the source's process", () =>
    fleet.guestPid(source, VM) === undefined ? true : undefined,
  );
  const totalMs = Date.parse(endedAt) - Date.parse(createdAt);
  return {
    downtimeMs: figures.downtimeMs,
    blackoutMs: targetRunningAtMs - stoppedAtMs,
    qemuTotalMs: figures.totalTimeMs,
    overheadMs: totalMs - figures.totalTimeMs - targetStartMs,
    totalMs,
    targetStartMs,
    checkMs: twinCheck.checkMs,
  };
}

function report(ours: OurRun[], bare: BareRun[], loop: { before: number; after: number }): void {
  const figures = (list: BareRun[]) => ({
    downtimeMs: spread(list.map((run) => run.downtimeMs)),
    blackoutMs: spread(list.map((run) => run.blackoutMs)),
    qemuTotalMs: spread(list.map((run) => run.qemuTotalMs)),
    overheadMs: spread(list.map((run) => run.overheadMs)),
  });
  const summary = {
    setup: {
      qemu: qemu.version,
      real: qemu.real,
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      guest: "128 MiB, TCG, 1 MiB/s dirtied",
      warmUpRuns: WARM_UP,
      /** Of a fixed piece of work: other tenants of the machine make it longer. */
      loopMs: loop,
    },
    bare: figures(bare),
    switchyard: {
      ...figures(ours),
      totalMs: spread(ours.map((run) => run.totalMs)),
      targetStartMs: spread(ours.map((run) => run.targetStartMs)),
      /** The twin check, part of the overhead. */
      checkMs: spread(ours.map((run) => run.checkMs)),
    },
  };
  const difference = {
    downtimeMs: round(summary.switchyard.downtimeMs.median - summary.bare.downtimeMs.median),
    blackoutMs: round(summary.switchyard.blackoutMs.median - summary.bare.blackoutMs.median),
    downtimeRatio: round(summary.switchyard.downtimeMs.median / summary.bare.downtimeMs.median),
  };
  if (options.json) console.log(JSON.stringify({ ...summary, difference }));
  else console.log(JSON.stringify({ ...summary, difference }, null, 2));
}
