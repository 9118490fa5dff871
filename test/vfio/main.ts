import { Command, Option } from "commander";
import { wholeNumber } from "../../rig/whole-number.ts";
import { RigUnavailableError } from "../machine/errors.ts";
import { diagram } from "./diagram.ts";
import { buildRig, type Rig } from "./rig/rig.ts";
import { runScenarios } from "./run.ts";
import { scenarios } from "./scenarios/all.ts";

type Options = { json?: true; runs: number; only?: string[]; diagram?: true };

const names = scenarios.map(({ name }) => name);
const list = scenarios.map(({ name, claim }) => `  ${name.padEnd(24)}${claim}`).join("\n");
const program = new Command("test:vfio")
  .description("Moves guests with VFIO devices (mediated ones, no hardware) over the HTTP API")
  .option("--json", "print one JSON object as the last line")
  .option(
    "--runs <number>",
    "migrations with and without the ACK for init-2s",
    wholeNumber(1, 50),
    3,
  )
  .addOption(new Option("--only <name...>", "run these scenarios only").choices(names))
  .option("--diagram", "print a timeline of each scenario's migration (Mermaid)")
  .addHelpText(
    "after",
    `
Scenarios
${list}

Builds its rig first (see test/vfio/README.md). Where that is not possible it prints the reason in one
line and exits with 0; with SWITCHYARD_VFIO_REQUIRED=1 it exits with 1.`,
  )
  .parse();

const INTERRUPTED = 130;
const startedMs = performance.now();
process.exitCode = await main(program.opts<Options>());

async function main(options: Options): Promise<number> {
  const rig = await findRig();
  if (rig === undefined) return process.env.SWITCHYARD_VFIO_REQUIRED === "1" ? 1 : 0;
  const chosen = scenarios.filter(({ name }) => options.only?.includes(name) ?? true);
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
  }
  const { signal } = stopping;
  const outcome = await runScenarios(rig, chosen, { runs: options.runs, print, signal }).catch(
    (error: unknown) => {
      if (signal.aborted) return undefined;
      throw error;
    },
  );
  if (outcome === undefined || signal.aborted) return INTERRUPTED;
  if (options.diagram) {
    for (const { name, move } of outcome.moves) console.log(`${name}\n${diagram(move)}\n`);
  }
  const { ratio, results } = outcome;
  const failed = results.filter(({ ok }) => !ok).length;
  print(`${results.length - failed} of ${results.length} scenarios passed`);
  if (options.json) console.log(JSON.stringify({ ratio, scenarios: results }));
  return failed === 0 ? 0 : 1;
}

async function findRig(): Promise<Rig | undefined> {
  try {
    return await buildRig({ onProgress: print });
  } catch (error) {
    if (!(error instanceof RigUnavailableError)) throw error;
    console.log(`test:vfio skipped: ${error.message}`);
    return undefined;
  }
}

function print(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`[${seconds} s] ${line}\n`);
}
