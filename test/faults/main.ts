import { Command, InvalidArgumentError, Option } from "commander";
import { chooseQemu, modelQemu } from "../../demo/qemu.ts";
import { Bed } from "./bed.ts";
import { describeStrike, drawPlan, type FaultKind, faultKinds } from "./plan.ts";
import { type Outcome, Run } from "./run.ts";

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
const options = program.opts<Options>();
const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
const qemu = options.real || options.qemu !== undefined ? chooseQemu(options.qemu) : modelQemu();

const byFault: Record<string, number> = {};
let violations = 0;
let done = 0;
let stopping = false;
let bed: Bed | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stopping = true;
    console.log("Stopping after this run …");
  });
}

console.log(`Seed ${seed}, QEMU ${qemu.version}${qemu.real ? "" : " (MODEL)"}`);
const numbers =
  options.run === undefined ? Array.from({ length: options.runs }, (_, n) => n) : [options.run];
try {
  for (const number of numbers) {
    if (stopping) break;
    await one(number);
  }
} finally {
  await bed?.close();
}
console.log(`${done} runs, ${violations} with violations`);
if (options.json) console.log(JSON.stringify({ seed, runs: done, violations, byFault }));
process.exitCode = violations > 0 ? 1 : 0;

async function one(number: number): Promise<void> {
  const plan = drawPlan(seed, number, options.only);
  const strikes = plan.strikes.map(describeStrike).join(", ");
  const startedMs = performance.now();
  let outcome: Outcome | undefined;
  let failure: unknown;
  try {
    bed ??= await Bed.start({ source: qemu.path, target: qemu.path });
    outcome = await Run.go(bed, plan);
  } catch (error) {
    failure = error;
  }
  done += 1;
  for (const { fault } of outcome?.hit ?? []) {
    const name = "victim" in fault ? `${fault.kind} ${fault.victim}` : fault.kind;
    byFault[name] = (byFault[name] ?? 0) + 1;
  }
  const tookMs = Math.round(performance.now() - startedMs);
  const found = outcome ? outcome.violations : [String(failure)];
  const status = outcome?.migration.status ?? "no end";
  const phases = outcome?.migration.phases.map(({ name }) => name).at(-1) ?? "";
  const hit = outcome?.hit.length ?? 0;
  console.log(
    `${String(number).padStart(4)} ${found.length > 0 ? "VIOLATED" : "ok"} ${status} on ` +
      `${outcome?.runsOn ?? "no host"} after ${phases}, ${outcome?.transitions ?? "?"} transitions, ` +
      `${tookMs} ms: ${strikes} (${hit} hit)${plan.gated ? ", gated" : ""}`,
  );
  const why = outcome?.migration.failure;
  if (why) console.log(`     ${why.code}: ${why.message.slice(0, 200)}`);
  if (found.length === 0) return;
  violations += 1;
  await report(number, found, outcome);
  // Whatever is wrong with it must not be taken for a fault of the next run.
  await bed?.close();
  bed = undefined;
}

async function report(number: number, found: string[], outcome: Outcome | undefined) {
  for (const violation of found) console.log(`     ! ${violation}`);
  for (const line of outcome?.log ?? []) console.log(`       ${line}`);
  if (outcome && bed) {
    const timeline = await bed.fleet.api.timeline(outcome.migration.id).catch(() => []);
    for (const { at, origin, type, detail } of timeline) {
      console.log(`       ${at} ${origin} ${type} ${JSON.stringify(detail).slice(0, 300)}`);
    }
    console.log(`       ${JSON.stringify(outcome.migration.failure)}`);
  }
  const which = [
    options.only ? ` --only ${options.only}` : "",
    options.real && options.qemu === undefined ? " --real" : "",
    options.qemu === undefined ? "" : ` --qemu ${options.qemu}`,
  ].join("");
  console.log(`     Again: npm run faults -- --seed ${seed} --run ${number}${which}`);
}

function whole(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      `Expected a whole number from ${min} to ${max}, got \`${text}\`.`,
    );
  };
}
