import { join } from "node:path";
import { Command } from "commander";
import type { Evacuation, EvacuationMove } from "../core/evacuation/evacuation.ts";
import { isFinalEvacuation } from "../core/evacuation/life.ts";
import { VmDefinition } from "../core/vm.ts";
import type { Fleet } from "../rig/fleet.ts";
import { bootDiskDefinition, writeBootDisk } from "../rig/guest/boot-disk.ts";
import { waitForCounter } from "../rig/guest/serial.ts";
import { chooseQemu, type Qemu } from "../rig/qemu.ts";
import { waitUntil } from "../rig/wait-until.ts";
import { wholeNumber } from "../rig/whole-number.ts";
import { type DemoFleet, runDemo } from "./demo-fleet.ts";
import {
  type EvacuationSummary,
  printEvacuationSummary,
  progressLine,
  type Shown,
  summarizeEvacuation,
} from "./evacuation-summary.ts";
import { stayUp } from "./stay-up.ts";

const MIB = 2 ** 20;
const SOURCE = "host-a";
const TARGETS = ["host-b", "host-c"];
const GUESTS = 8;
/** Each guest writes to most of its memory, so that the first pass sends what is predicted. */
const MEMORY_MIB = 32;
const WORKING_SET_MIB = 24;
const DIRTY_MIB_PER_SECOND = 2;
/** What preparing the target and the end of a migration add to the transfer; a slot is held. */
const AROUND_MS = 1_500;
/** Four processes, and eight guests after them, start on a machine that may be busy. */
const START_MS = 120_000;
const BOOT_MS = 120_000;
const RUN_MS = 600_000;

const program = new Command("switchyard-demo-evacuate")
  .description(
    `Empties one of three hosts with ${GUESTS} guests on this machine, with a pause and a resume, ` +
      "then rolls it back",
  )
  .option("--json", "print one JSON object as the last line in place of the summary")
  .option("--qemu <path>", "QEMU of all hosts")
  .option("--keep", "keep running after it and print the addresses of dashboard and API")
  .option("--bandwidth <MiB/s>", "rate of one migration", wholeNumber(1, 1_024), 16)
  .addHelpText(
    "after",
    `
pausedMs is the time in which nothing moved because of the pause; makespanMs is without it.
lowerBoundMs is by the plan's predictions: a real run may be shorter.`,
  )
  .parse();
const options = program.opts<{ json?: true; qemu?: string; keep?: true; bandwidth: number }>();
const print = (text: string) => {
  if (!options.json) console.log(text);
};

/** What was printed of an evacuation last. */
let lastState = "";
let fleet: Fleet | undefined;

await runDemo(async (own) => {
  const qemu = chooseQemu(options.qemu);
  // In every mode, so that nobody takes the model for QEMU.
  console.log(
    qemu.real
      ? `Real QEMU, ${qemu.version}, software emulation (TCG).`
      : `No QEMU found: running on the MODEL of QEMU (${qemu.version}). The README says how to install QEMU.`,
  );
  const summary = await run(own, qemu);
  if (options.json) console.log(JSON.stringify(summary));
  else printEvacuationSummary(summary);
  if (options.keep && fleet !== undefined) await stayUp(fleet);
  if (summary.moved !== summary.vms || summary.rolledBack !== summary.moved) process.exitCode = 1;
});

async function run(own: DemoFleet, qemu: Qemu): Promise<EvacuationSummary> {
  print("Starting the local cloud and three host agents …");
  const names = [SOURCE, ...TARGETS];
  fleet = await own.start({
    hosts: Object.fromEntries(names.map((host) => [host, qemu.path])),
    startMs: START_MS,
  });
  const rate = options.bandwidth * MIB;
  for (const host of names) {
    const link = { linkOutBytesPerSecond: 2 * rate, linkInBytesPerSecond: 2 * rate };
    await fleet.api.changeHost(host, link);
  }
  const vms = await startGuests(fleet, qemu);
  print(`${vms.length} guests of ${MEMORY_MIB} MiB run on ${SOURCE}. POST /v1/evacuations …`);
  const planned = await plan(fleet, rate);
  showPlan(planned);
  const { id } = planned;
  await fleet.api.approveEvacuation(id, planned.version, "bob");
  const { pausedMs, halfway, completed } = await follow(fleet, id);
  const moves = await allMoves(fleet, id);
  if (completed.counters.moved === 0)
    throw new Error(`Nothing moved: ${JSON.stringify(completed)}`);
  print(`${SOURCE} is ${completed.hosts[0]?.state}: ${completed.status}. Rolling back …`);
  await fleet.api.rollBackEvacuation(id, { by: "ada", message: "end of the demo" });
  const rolledBack = await watch(fleet, id, ({ status }) => isFinalEvacuation(status));
  const places = new Map<string, string | null>();
  for (const vm of vms) {
    const { host, state } = await fleet.api.getVm(vm);
    places.set(vm, state === "running" ? host : null);
  }
  const shown: Shown = {
    qemu: { real: qemu.real, version: qemu.version },
    completed,
    moves,
    rolledBack,
    places,
    pausedMs,
    halfway,
  };
  return summarizeEvacuation(shown);
}

async function startGuests(here: Fleet, { real }: Qemu): Promise<string[]> {
  const disk = join(here.folder, "boot.img");
  await writeBootDisk(disk, {
    dirtyBytesPerSecond: DIRTY_MIB_PER_SECOND * MIB,
    workingSetBytes: WORKING_SET_MIB * MIB,
  });
  const { facts } = await here.api.getHost(SOURCE);
  const machine = facts?.qemu.machines.find(({ alias }) => alias === "pc")?.name ?? "pc";
  const memoryBytes = MEMORY_MIB * MIB;
  const definition = VmDefinition.parse({ machine, memoryBytes, ...bootDiskDefinition(disk) });
  const vms = Array.from({ length: GUESTS }, (_unused, index) => `vm-${index + 1}`);
  for (const vm of vms) await here.startVm(vm, SOURCE, definition);
  // The memory of the model's guests is as written as it will be.
  if (!real) return vms;
  // Their working sets are written by then.
  const seconds = WORKING_SET_MIB / DIRTY_MIB_PER_SECOND;
  print(`Waiting until the guests have written their working sets (${seconds} s of theirs) …`);
  for (const vm of vms) {
    const log = here.serialLog(SOURCE, vm);
    const counting = { timeoutMs: BOOT_MS };
    await waitForCounter(log, ({ counter }) => counter >= seconds * 100, counting);
  }
  return vms;
}

async function plan({ api }: Fleet, rate: number): Promise<Evacuation> {
  return api.createEvacuation({
    hosts: [SOURCE],
    by: "ada",
    policy: { maxBandwidthBytesPerSecond: rate },
    options: {
      streamBytesPerSecond: rate,
      unknownDirtyBytesPerSecond: DIRTY_MIB_PER_SECOND * MIB,
      unknownWorkingSetShare: WORKING_SET_MIB / MEMORY_MIB,
      prepareMs: 0,
      finishMs: AROUND_MS,
    },
  });
}

function showPlan({ version, counters, eta }: Evacuation): void {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  print(
    `Version ${version}: ${counters.waiting} of ${counters.total} guests have a place; ` +
      `predicted ${seconds(eta.plannedMs)} (${seconds(eta.lowMs)} to ${seconds(eta.highMs)}), ` +
      `lower bound ${seconds(eta.lowerBoundMs)}. Approved by bob.`,
  );
}

/** Follows it to its end; pauses it when two guests have moved, and resumes it when nothing moves. */
async function follow(here: Fleet, id: string) {
  await watch(here, id, ({ counters }) => counters.moved >= 2);
  const by = { by: "ada", message: "a look at the graphs" };
  await here.api.pauseEvacuation(id, by);
  print("  ada pauses it: transfers in flight end, none starts");
  await watch(here, id, ({ counters }) => counters.moving === 0);
  const quietAt = Date.now();
  await watch(here, id, () => Date.now() - quietAt >= 2_000);
  await here.api.resumeEvacuation(id, by);
  const pausedMs = Date.now() - quietAt;
  print("  ada resumes it");
  const half = await watch(here, id, ({ counters }) => counters.moved * 2 >= counters.total);
  const halfway = { atMs: Date.now(), remainingMs: half.eta.remainingMs ?? 0 };
  const completed = await watch(here, id, ({ status }) => isFinalEvacuation(status));
  return { pausedMs, halfway, completed };
}

/** Prints each change until `isReached`. */
async function watch(
  here: Fleet,
  id: string,
  isReached: (evacuation: Evacuation) => boolean,
): Promise<Evacuation> {
  return waitUntil(
    `evacuation ${id}`,
    async () => {
      const [evacuation, moves] = await Promise.all([
        here.api.getEvacuation(id),
        allMoves(here, id),
      ]);
      const moving = moves.flatMap(({ vm, state, target }) =>
        state === "moving" ? [`${vm} → ${target}`] : [],
      );
      const { status, counters } = evacuation;
      const line = JSON.stringify([status, counters, moving]);
      // The two answers may be of different moments: what does not agree is not shown.
      const isOneMoment = moving.length === counters.moving;
      if (isOneMoment && line !== lastState) print(progressLine(evacuation, moving, Date.now()));
      if (isOneMoment) lastState = line;
      if (isFinalEvacuation(status) && !isReached(evacuation)) {
        throw new Error(`The evacuation is ${status}: ${JSON.stringify(counters)}`);
      }
      return isReached(evacuation) ? evacuation : undefined;
    },
    { timeoutMs: RUN_MS, everyMs: 200 },
  );
}

async function allMoves({ api }: Fleet, id: string): Promise<EvacuationMove[]> {
  const { items } = await api.listEvacuationMoves(id, { limit: 100 });
  return items;
}
