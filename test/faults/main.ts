import { Command, InvalidArgumentError, Option } from "commander";
import { Campaign } from "./campaign.ts";
import { type FaultKind, faultKinds } from "./plan.ts";

const program = new Command("faults")
  .description("Moves a guest to and fro while parts are killed, frozen, cut off and lied to")
  .option("--seed <number>", "what is drawn; printed (default: by chance)", whole(0, 2 ** 31))
  .option("--runs <number>", "how many migrations", whole(1, 1_000_000), 20)
  .option("--run <number>", "only this one of them", whole(0, 1_000_000))
  .addOption(new Option("--only <fault>", "only this fault").choices(faultKinds))
  .option("--real", "on real QEMU (default: on the model)")
  .option("--qemu <path>", "this QEMU on both hosts")
  .option("--json", "the result as JSON on the last line")
  .addHelpText("after", "\nThe exit status is 1 when anything was violated.")
  .parse();

type Options = {
  seed?: number;
  runs: number;
  run?: number;
  only?: FaultKind;
  real?: boolean;
  qemu?: string;
  json?: boolean;
};
const { runs, run, json, ...rest } = program.opts<Options>();
const seed = rest.seed ?? Math.floor(Math.random() * 2 ** 31);
const campaign = new Campaign({
  ...{ seed, real: rest.real ?? false, qemu: rest.qemu, only: rest.only },
  say: (line) => console.log(line),
});
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stopping = true;
    console.log("Stopping after this run …");
  });
}

const { version, real } = campaign.qemu;
console.log(`Seed ${seed}, QEMU ${version}${real ? "" : " (MODEL)"}`);
const numbers = run === undefined ? Array.from({ length: runs }, (_, number) => number) : [run];
let done = 0;
let violated = 0;
try {
  for (const number of numbers) {
    if (stopping) break;
    if ((await campaign.run(number)).length > 0) violated += 1;
    done += 1;
  }
} finally {
  await campaign.close();
}
console.log(`${done} runs, ${violated} with violations`);
const { byFault } = campaign;
if (json) console.log(JSON.stringify({ seed, runs: done, violations: violated, byFault }));
process.exitCode = violated > 0 ? 1 : 0;

function whole(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      `Expected a whole number from ${min} to ${max}, got \`${text}\`.`,
    );
  };
}
