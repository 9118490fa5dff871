import { Command } from "commander";
import { wholeNumber } from "../../rig/whole-number.ts";
import { loopMs } from "../loop.ts";
import { type Result, runEvacuation } from "./run.ts";

/** A smaller evacuation is measured first, to see how costs grow. */
const GROWTH_FACTOR = 10;
const VMS_MIN = 10;

const program = new Command("bench:evacuate")
  .description(
    "Empties half of a fleet of model hosts beside single migrations: the coordinator's CPU, memory " +
      "and transitions for each move, and whether a limit was exceeded",
  )
  .option("--hosts <number>", "hosts, half of which are emptied", wholeNumber(2, 200), 20)
  .option("--vms <number>", "guests on them", wholeNumber(VMS_MIN, 5_000), 300)
  .option("--json", "print one JSON object as the last line")
  .addHelpText(
    "after",
    `
The coordinator is a process of its own; hosts and guests are modelled in this one, and their time is
scaled. A tenth of the guests is moved first, by a coordinator that has just started as well. What
has happened on the hosts is replayed by a checker that knows nothing of the control plane. CPU time
depends on the machine: loopMs is a fixed piece of work on it. The exit status is 1 when a guest did
not move, was misplaced, or a limit was exceeded. 1,000 guests take some minutes.`,
  )
  .parse();
const options = program.opts<{ hosts: number; vms: number; json?: true }>();

const sizes = [Math.max(VMS_MIN, Math.round(options.vms / GROWTH_FACTOR)), options.vms];
const results: Result[] = [];
for (const vms of new Set(sizes)) {
  if (!options.json) console.log(`${vms} guests on ${options.hosts} hosts …`);
  const result = await runEvacuation(vms, options.hosts);
  results.push(result);
  if (!options.json) print(result);
}
const last = results.at(-1);
if (last === undefined) throw new Error("Expected a result");
const growth = results.map(({ vms, cpuMsPerMove, rssMiB, transitionsPerMove }) => ({
  vms,
  cpuMsPerMove,
  rssMiB,
  transitionsPerMove,
}));
const { faults, ...figures } = last;
if (options.json) console.log(JSON.stringify({ ...figures, growth, loopMs: loopMs() }));
const isSound = results.every(
  ({ vms, completed, overshoots, misplaced }) =>
    completed === vms && overshoots === 0 && misplaced === 0,
);
if (!isSound) {
  console.error(faults.join("\n"));
  process.exitCode = 1;
}

function print(result: Result): void {
  const { completed, vms, singles, status, overshoots, misplaced, seconds } = result;
  console.log(
    `  ${status}: ${completed} of ${vms} moved in ${seconds} s, ${singles} others beside`,
  );
  console.log(`  ${overshoots} limits exceeded, ${misplaced} guests misplaced`);
  console.log(
    `  ${result.cpuMsPerMove} ms of the coordinator's CPU and ${result.transitionsPerMove} ` +
      `transitions for each move; at most ${result.rssMiB} MiB`,
  );
}
