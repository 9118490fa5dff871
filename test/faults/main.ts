import { availableParallelism } from "node:os";
import { Command, Option } from "commander";
import { wholeNumber } from "../../rig/whole-number.ts";
import { Campaign } from "./campaign.ts";
import { EvacuationCampaign } from "./evacuation/campaign.ts";
import { type FaultKind, faultKinds } from "./plan.ts";

const RATE = 4;

const program = new Command("faults")
  .description("Moves a guest to and fro while parts are killed, frozen, cut off and misled")
  .option(
    "--seed <number>",
    "decides which faults are drawn; printed (default: random)",
    wholeNumber(0, 2 ** 31),
  )
  .option("--runs <number>", "how many migrations", wholeNumber(1, 1_000_000), 20)
  .option("--run <number>", "only this one of them", wholeNumber(0, 1_000_000))
  .addOption(new Option("--only <fault>", "only this fault").choices(faultKinds))
  .option("--evacuate", "evacuations of four guests on the model instead, one after the other")
  .option("--real", "on real QEMU (default: on the model)")
  .option("--qemu <path>", "this QEMU on both hosts")
  .option("--copy", "the guest's disk is copied with each move; with --real or --qemu")
  .option(
    "--lanes <number>",
    "installations side by side (default: one a core)",
    wholeNumber(1, 64),
  )
  .option("--rate <number>", "how much faster time runs on the model", wholeNumber(1, 100), RATE)
  .option("--http", "the functions call every service over HTTP with signatures, as on AWS")
  .option("--json", "the result as JSON on the last line")
  .addHelpText("after", "\nThe exit status is 1 when anything was violated.")
  .parse();

type Options = {
  seed?: number;
  runs: number;
  run?: number;
  only?: FaultKind;
  evacuate?: boolean;
  real?: boolean;
  qemu?: string;
  lanes?: number;
  rate: number;
  http?: boolean;
  copy?: boolean;
  json?: boolean;
};
const { runs, run, json, ...rest } = program.opts<Options>();
const seed = rest.seed ?? Math.floor(Math.random() * 2 ** 31);
// Bound before the campaign replaces the clock.
const uptimeSeconds = process.uptime.bind(process);
const numbers = run === undefined ? Array.from({ length: runs }, (_, each) => each) : [run];
if (rest.copy === true && rest.real !== true && rest.qemu === undefined) {
  program.error("error: --copy needs --real or --qemu: the model of QEMU copies no disks");
}
if (rest.evacuate === true) await evacuate();
else await migrate();

async function evacuate(): Promise<void> {
  const print = (line: string) => console.log(line);
  print(`Seed ${seed}, evacuations on the MODEL of QEMU`);
  const campaign = new EvacuationCampaign(seed, print);
  await campaign.go(numbers);
  finish(campaign);
  process.exit(campaign.result.violations > 0 ? 1 : 0);
}

async function migrate(): Promise<void> {
  const campaign = new Campaign({
    seed,
    real: rest.real ?? false,
    qemu: rest.qemu,
    only: rest.only,
    rate: rest.rate,
    http: rest.http ?? false,
    copy: rest.copy ?? false,
    lanes: rest.lanes ?? availableParallelism(),
    print: (line) => console.log(line),
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // At once: Ctrl-C in a terminal has reached all parts as well.
    process.on(signal, () => {
      campaign.stop();
      finish(campaign);
      process.exit(1);
    });
  }
  const { version, real } = campaign.qemu;
  const model = real ? "" : ` (MODEL, ${rest.rate} times as fast)`;
  console.log(`Seed ${seed}, QEMU ${version}${model}, in ${campaign.folder}`);
  await campaign.go(numbers);
  finish(campaign);
  // Otherwise Node may wait for ever, at full speed, for sockets that were reset while they closed.
  process.exit(campaign.result.violations > 0 ? 1 : 0);
}

function finish({ result, byFault }: Pick<Campaign, "result" | "byFault">): void {
  const { runs: done, violations } = result;
  const seconds = Math.round(uptimeSeconds());
  console.log(`${done} runs, ${violations} with violations, ${seconds} s`);
  if (json) console.log(JSON.stringify({ seed, runs: done, violations, seconds, byFault }));
}
