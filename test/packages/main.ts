import { mkdirSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import {
  type AgentPackages,
  PackagingUnavailableError,
  packageAgent,
} from "../../scripts/package-agent.ts";
import { RigUnavailableError } from "../machine/errors.ts";
import { PROJECT_DIR } from "../machine/project-dir.ts";
import { Machine } from "./machine.ts";
import { buildMachineRig } from "./rig/rig.ts";
import { hasProgram, staticChecks } from "./static.ts";
import { steps } from "./steps.ts";

const REQUIRED = "SWITCHYARD_PACKAGES_REQUIRED";
const FOLDER = ".cache/packages/built";
const versions = { first: "0.1.0", second: "0.1.1" };

type Counts = { passed: number; failed: number; skipped: number };

const program = new Command("test:packages")
  .description(
    "Builds the agent's packages, looks into them, and installs, upgrades and removes one",
  )
  .option("--static", "build and look into them only")
  .addHelpText(
    "after",
    `
Steps in an emulated machine with Debian and systemd
${steps.map(({ name }) => `  ${name}`).join("\n")}

The machine needs root and a Debian mirror; it is built first, in .cache/packages. What cannot be had
here is skipped with the reason (${REQUIRED}=1: that is a failure).`,
  )
  .parse();

const startedMs = performance.now();
const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
await main(program.opts<{ static?: true }>().static === true);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
const isComplete = counts.skipped === 0 || process.env[REQUIRED] !== "1";
process.exitCode = counts.failed === 0 && isComplete ? 0 : 1;

async function main(isStatic: boolean): Promise<void> {
  const packages = await build();
  if (packages === undefined) {
    counts.skipped += staticChecks.length + (isStatic ? 0 : steps.length);
    return;
  }
  for (const check of staticChecks) {
    if (hasProgram(check.needs)) await attempt(check.name, async () => check.run(packages.first));
    else skip(check.name, `no ${check.needs} on PATH`);
  }
  if (!isStatic) await runInMachine(packages);
}

async function build(): Promise<Record<keyof typeof versions, AgentPackages> | undefined> {
  const folder = path.join(PROJECT_DIR, FOLDER);
  mkdirSync(folder, { recursive: true });
  try {
    const first = await packageAgent(folder, versions.first);
    return { first, second: await packageAgent(folder, versions.second) };
  } catch (error) {
    if (!(error instanceof PackagingUnavailableError)) throw error;
    print(`skipped: ${error.message}`);
    return undefined;
  }
}

async function runInMachine(packages: Record<keyof typeof versions, AgentPackages>) {
  const machine = await startMachine();
  if (typeof machine === "string") {
    for (const { name } of steps) skip(name, machine);
    return;
  }
  for (const { deb } of Object.values(packages)) {
    await machine.shell(`ln -s ${path.join("/project", path.relative(PROJECT_DIR, deb))} .`);
  }
  const stop = () => void machine.stop().then(() => process.exit(1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    for (const step of steps) {
      if (counts.failed > 0) skip(step.name, "it stands on a step that failed");
      else await attempt(step.name, () => step.run({ machine, versions }));
    }
  } finally {
    await machine.stop();
  }
}

/** @returns why there is none */
async function startMachine(): Promise<Machine | string> {
  try {
    return await Machine.start(await buildMachineRig(print), print);
  } catch (error) {
    if (error instanceof RigUnavailableError) return error.message;
    throw error;
  }
}

async function attempt(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    counts.passed += 1;
    print(`ok: ${name}`);
  } catch (error) {
    counts.failed += 1;
    print(`FAILED: ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function skip(name: string, why: string): void {
  counts.skipped += 1;
  print(`skipped: ${name}: ${why}`);
}

function print(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`[${seconds} s] ${line}\n`);
}
