import { join } from "node:path";
import { Command } from "commander";
import type { Migration } from "../core/migration/migration.ts";
import type { Host } from "../core/protocol/host.ts";
import { VmDefinition } from "../core/vm.ts";
import type { Fleet } from "../rig/fleet.ts";
import { bootDiskDefinition, writeBootDisk } from "../rig/guest/boot-disk.ts";
import { readCounter, waitForCounter } from "../rig/guest/serial.ts";
import { chooseQemu, type Qemu } from "../rig/qemu.ts";
import { waitUntil } from "../rig/wait-until.ts";
import { wholeNumber } from "../rig/whole-number.ts";
import { type DemoFleet, runDemo } from "./demo-fleet.ts";
import { stayUp } from "./stay-up.ts";
import { countTransitions, printSummary, type Summary, summarize } from "./summary.ts";

const MIB = 2 ** 20;
const VM = "demo";
const BOOT_MS = 60_000;
/** How far the counter must go on the target, at 100 ticks a second. */
const TICKS_MORE = 50;

const program = new Command("switchyard-demo")
  .description("Moves a running guest from one host to another by an HTTP call, on this machine")
  .option("--json", "print one JSON object as the last line in place of the summary")
  .option("--verbose", "list also the parameters that are left at QEMU's defaults")
  .option("--qemu <path>", "QEMU of the source, and of the target without --target-qemu")
  .option("--target-qemu <path>", "QEMU of the target")
  .option("--memory <MiB>", "memory of the guest", wholeNumber(16, 65_536), 128)
  .option("--dirty-rate <MiB/s>", "how fast the guest dirties memory", wholeNumber(0, 1024), 4)
  .option("--machine <type>", "machine type; default: the newest pc that both QEMUs have")
  .option("--keep", "keep running after the migration and print the addresses of dashboard and API")
  .parse();
type Options = {
  json?: true;
  verbose?: true;
  qemu?: string;
  targetQemu?: string;
  memory: number;
  dirtyRate: number;
  machine?: string;
  keep?: true;
};
const options = program.opts<Options>();
const print = (text: string) => {
  if (!options.json) console.log(text);
};

let fleet: Fleet | undefined;

await runDemo(async (own) => {
  const source = chooseQemu(options.qemu);
  const target = options.targetQemu === undefined ? source : chooseQemu(options.targetQemu);
  // In every mode, so that nobody takes the model for QEMU.
  console.log(describe(source, target));
  const summary = await run(own, source, target);
  if (options.json) console.log(JSON.stringify(summary));
  else printSummary(summary, { verbose: options.verbose === true });
  if (options.keep && fleet !== undefined) await stayUp(fleet);
  if (summary.status !== "completed") process.exitCode = 1;
});

async function run(own: DemoFleet, source: Qemu, target: Qemu): Promise<Summary> {
  print("Starting the local cloud and two host agents …");
  fleet = await own.start({ hosts: { "host-a": source.path, "host-b": target.path } });
  const hosts = await Promise.all([fleet.api.getHost("host-a"), fleet.api.getHost("host-b")]);
  const disk = join(fleet.folder, "boot.img");
  const memoryBytes = options.memory * MIB;
  await writeBootDisk(disk, {
    dirtyBytesPerSecond: options.dirtyRate * MIB,
    workingSetBytes: Math.min(memoryBytes / 4, 64 * MIB),
  });
  const machine = options.machine ?? commonMachine(...hosts);
  const definition = VmDefinition.parse({ machine, memoryBytes, ...bootDiskDefinition(disk) });
  print(`Starting the guest (${options.memory} MiB, ${machine}) on host-a …`);
  await fleet.startVm(VM, "host-a", definition);
  const from = fleet.serialLog("host-a", VM);
  const to = fleet.serialLog("host-b", VM);
  const counting = { timeoutMs: BOOT_MS };
  const { counter } = await waitForCounter(from, (reading) => reading.counter > 20, counting);
  print(`The guest counts: ${counter}. POST /v1/migrations …`);

  const { id } = await fleet.api.createMigration(
    { vm: VM, target: "host-b" },
    `demo-${Date.now()}`,
  );
  const watching = new AbortController();
  const before = lastCounter(from, watching.signal);
  const ended = await fleet.waitForMigration(id, { onChange: showChange() });
  watching.abort();
  const left = await before;
  if (ended.status !== "completed") {
    const transitions = await transitionsOf(ended);
    const guest = { counterBefore: left.counter, counterAfter: left.counter, memoryErrors: 0 };
    return summarize(ended, { source, target, transitions, guest });
  }
  const goal = left.counter + TICKS_MORE;
  const after = await waitForCounter(to, (reading) => reading.counter >= goal, counting);
  const { guestPid } = fleet;
  await waitUntil("the exit of the source's process", () =>
    guestPid.call(fleet, "host-a", VM) === undefined ? true : undefined,
  );
  return summarize(await fleet.api.getMigration(id), {
    source,
    target,
    transitions: await transitionsOf(ended),
    guest: {
      counterBefore: left.counter,
      counterAfter: after.counter,
      memoryErrors: left.errors + after.errors,
    },
  });
}

/** The newest versioned `pc` of both hosts: an alias may mean different machines on them. */
function commonMachine(source: Host, target: Host): string {
  const names = (host: Host) => (host.facts?.qemu.machines ?? []).map(({ name }) => name);
  const there = new Set(names(target));
  const version = (name: string) => name.replace("pc-i440fx-", "").split(".").map(Number);
  const common = names(source)
    .filter((name) => /^pc-i440fx-\d+\.\d+$/.test(name) && there.has(name))
    .sort((a, b) => {
      const [majorA = 0, minorA = 0] = version(a);
      const [majorB = 0, minorB = 0] = version(b);
      return majorB - majorA || minorB - minorA;
    });
  const newest = common[0];
  if (newest === undefined) throw new Error("The two QEMUs have no machine type in common");
  return newest;
}

/** Follows the source's serial log, which is removed with the source. */
async function lastCounter(path: string, signal: AbortSignal) {
  let last = { counter: 0, errors: 0 };
  while (!signal.aborted) {
    last = (await readCounter(path).catch(() => undefined)) ?? last;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return last;
}

async function transitionsOf(migration: Migration): Promise<number> {
  if (migration.executionArn === undefined || !fleet) return 0;
  return countTransitions(migration.executionArn, fleet.environment);
}

function showChange(): (migration: Migration) => void {
  const shown = new Set<string>();
  return (migration) => {
    for (const { name } of migration.phases) {
      if (!shown.has(name)) print(`  ${name}`);
      shown.add(name);
    }
  };
}

function describe(source: Qemu, target: Qemu): string {
  const versions = `${source.version} to ${target.version}`;
  return source.real && target.real
    ? `Real QEMU, ${versions}, software emulation (TCG).`
    : `No QEMU found: running on the MODEL of QEMU (${versions}). The README says how to install QEMU.`;
}
