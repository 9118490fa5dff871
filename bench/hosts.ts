import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { VmDefinition } from "../core/vm.ts";
import { makeCertificates } from "../rig/certificates.ts";
import { Fleet } from "../rig/fleet.ts";
import { ModelHosts } from "../rig/model-hosts.ts";
import { ownedFolder, removeFolder } from "../rig/owned-folder.ts";
import { wholeNumber } from "../rig/whole-number.ts";
import { loopMs } from "./loop.ts";
import { cpuMs, peakMiB } from "./process-usage.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SLOTS = 4;
/** Of guests that move; the others only keep their connections. */
const MOVING_HOSTS = 8;
const WARM_UP = 16;
const REQUESTS = 200;
const IDLE_MS = 20_000;
const MOVE_MS_MAX = 60_000;
const LOOK_MS = 200;

const program = new Command("bench:hosts")
  .description(
    "What a control plane on one machine does for the agents of others, over TLS: moves a second, " +
      "time of a request, CPU for hosts that rest; with and without waiting for the disk",
  )
  .option("--hosts <number>", "hosts", wholeNumber(MOVING_HOSTS, 5_000), 100)
  .option("--moves <number>", "moves in all", wholeNumber(1, 5_000), 60)
  .option("--at-once <number>", "moves at a time", wholeNumber(1, MOVING_HOSTS * SLOTS), 4)
  .option("--json", "print one JSON object as the last line")
  .addHelpText(
    "after",
    `
The control plane is a process of its own. Hosts and guests are modelled in this one: a move takes no
time there, but the two share the machine's cores.`,
  )
  .parse();
const options = program.opts<{ hosts: number; moves: number; atOnce: number; json?: true }>();

type Result = {
  readonly flush: boolean;
  readonly movesPerSecond: number;
  /** Of the control plane for each move. */
  readonly cpuMsPerMove: number;
  /** Median time of a request that writes once, one after the other. */
  readonly requestMs: number;
  /** CPU of the control plane while no guest moves, per cent of a core. */
  readonly idlePercent: number;
  readonly peakMiB: number;
};

const results: Result[] = [];
for (const flush of [true, false]) {
  const result = await run(flush);
  results.push(result);
  if (!options.json) console.log(result);
}
if (options.json) console.log(JSON.stringify({ ...options, results, loopMs: loopMs() }));

async function run(flush: boolean): Promise<Result> {
  const folder = ownedFolder("sy-bench-");
  const tls = makeCertificates(folder, "IP:127.0.0.1");
  // All hosts have one address here, which joins and polls are counted by.
  const environment = { LOG_LEVEL: "error", REQUESTS_PER_SECOND_MAX: "0" };
  const fleet = await Fleet.start({ hosts: {}, flush, tls, environment });
  const model = new ModelHosts({ prepareMs: 0, transferMs: 10 }, tls.ca);
  try {
    const moving = Array.from({ length: MOVING_HOSTS }, (_, place) => `host-${place}`);
    const all = Array.from({ length: options.hosts }, (_, place) => `host-${place}`);
    const limits = {
      slotsOut: SLOTS,
      slotsIn: SLOTS,
      memoryBytes: 64 * GIB,
      linkBytesPerSecond: 1.25e9,
    };
    for (const host of all) await model.add(fleet, host, limits);
    const definition = VmDefinition.parse({ machine: "pc", memoryBytes: 256 * MIB });
    const guests = Array.from({ length: options.atOnce }, (_, place) => `vm-${place}`);
    for (const [place, vm] of guests.entries()) {
      await fleet.startVm(vm, moving[place % MOVING_HOSTS] ?? "", definition);
    }
    // Code is compiled and caches are filled by then.
    await moveAll(fleet, { guests, hosts: moving, moves: WARM_UP });
    return { flush, ...(await measure(fleet, { guests, hosts: moving })) };
  } finally {
    await model.stop();
    await fleet.stop();
    removeFolder(folder);
  }
}

type Moving = { readonly guests: readonly string[]; readonly hosts: readonly string[] };

async function measure(fleet: Fleet, moving: Moving): Promise<Omit<Result, "flush">> {
  const { pid } = fleet.cloud;
  const before = cpuMs(pid);
  const seconds = await moveAll(fleet, { ...moving, moves: options.moves });
  const usedMs = cpuMs(pid) - before;
  const times: number[] = [];
  for (let request = 0; request < REQUESTS; request += 1) {
    const startedMs = performance.now();
    await fleet.api.changeHost("host-0", { labels: { at: String(request) } });
    times.push(performance.now() - startedMs);
  }
  const restedMs = cpuMs(pid);
  await delay(IDLE_MS);
  return {
    movesPerSecond: round(options.moves / seconds),
    cpuMsPerMove: round(usedMs / options.moves),
    requestMs: round(times.sort((a, b) => a - b)[REQUESTS / 2] ?? 0),
    idlePercent: round(((cpuMs(pid) - restedMs) / IDLE_MS) * 100),
    peakMiB: peakMiB(pid),
  };
}

/** Each guest moves to the next host, again and again. @returns how long it took, s */
async function moveAll(fleet: Fleet, { guests, hosts, moves }: Moving & { moves: number }) {
  let left = moves;
  const startedMs = performance.now();
  const workers = guests.map(async (vm) => {
    while (left > 0) {
      left -= 1;
      const { host } = await fleet.api.getVm(vm);
      const target = hosts[(hosts.indexOf(host) + 1) % hosts.length] ?? "";
      const { id } = await fleet.api.createMigration({ vm, target });
      const wait = { timeoutMs: MOVE_MS_MAX, everyMs: LOOK_MS };
      const { status, failure } = await fleet.waitForMigration(id, wait);
      if (status === "completed") continue;
      // The others end their moves: what is under way is not cut off.
      left = 0;
      throw new Error(`Expected ${vm} to move, it ended ${status}: ${JSON.stringify(failure)}`);
    }
  });
  for (const worker of await Promise.allSettled(workers)) {
    if (worker.status === "rejected") throw worker.reason;
  }
  return (performance.now() - startedMs) / 1_000;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
