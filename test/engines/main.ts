import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { freeBasePort } from "../../rig/free-ports.ts";
import { differences } from "./differences.ts";
import { type Engine, startEngine } from "./engine.ts";
import type { EngineName } from "./engine-name.ts";
import { installEngine, ROOT } from "./install.ts";
import { type Suite, suites } from "./suites.ts";

const FILE_MS_MAX = 1_200_000;

const program = new Command("test:engines")
  .description("Runs tests with DynamoDB, SQS and Step Functions of others in place of ours")
  .option("--suite <name>", `only this one: ${suites.map(({ name }) => name).join(", ")}`)
  .option("--file <path>", "only this file of the suites")
  .option("--json", "print one JSON object as the line before the last")
  .parse();
const options = program.opts<{ suite?: string; file?: string; json?: true }>();
const wanted = suites.filter(({ name }) => options.suite === undefined || name === options.suite);
if (wanted.length === 0) program.error(`Expected a suite of the list, got \`${options.suite}\`.`);

type Result = { passed: number; failed: number; skipped: number; differs: string[] };

const missing = new Map<EngineName, string>();
for (const name of new Set(wanted.flatMap(enginesOf))) {
  const why = installEngine(name);
  if (why !== undefined) missing.set(name, why);
}
const folder = mkdtempSync(join(tmpdir(), "sy-engines-"));
let running: Engine[] = [];
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  });
}
try {
  const results: (Suite & Result)[] = [];
  for (const suite of wanted) results.push({ ...suite, ...(await run(suite)) });
  if (options.json) console.log(JSON.stringify({ suites: results }));
  const sum = (count: "passed" | "failed" | "skipped") =>
    results.reduce((total, result) => total + result[count], 0);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
  process.exitCode = sum("failed") > 0 ? 1 : 0;
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}

function enginesOf({ engines }: Suite): EngineName[] {
  return [...new Set(Object.values(engines))];
}

async function stopAll(): Promise<void> {
  const engines = running;
  running = [];
  await Promise.all(engines.map((engine) => engine.stop()));
}

async function run(suite: Suite): Promise<Result> {
  const total: Result = { passed: 0, failed: 0, skipped: 0, differs: [] };
  const why = enginesOf(suite).flatMap((name) => missing.get(name) ?? []);
  if (why.length > 0) {
    console.log(`${suite.name} is skipped: ${why.join("; ")}`);
    return { ...total, skipped: 1 };
  }
  const base = await freeBasePort();
  const started = new Map<EngineName, Engine>();
  for (const name of enginesOf(suite)) {
    const engine = await startEngine(name, {
      port: await freeBasePort(),
      lambdaUrl: `http://127.0.0.1:${base + 4}`,
      logFile: join(folder, `${suite.name}-${name}.log`),
    });
    started.set(name, engine);
    running.push(engine);
  }
  const files = suite.files.filter((file) => options.file === undefined || file === options.file);
  for (const file of files) {
    for (const engine of started.values()) await engine.reset();
    const result = runFile(suite, file, {
      ...endpoints(suite, started),
      // Step Functions calls the functions there.
      SWITCHYARD_PORT: String(base),
      AWS_REGION: "eu-central-1",
      // As of the proxy between agents and cloud (test/faults/proxy.ts); engines take any key.
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
    });
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    total.differs.push(...result.differs);
    console.log(
      `${suite.name} ${file}: ${result.passed} passed, ${result.failed} failed, ` +
        `${result.skipped} skipped, ${result.differs.length} differ`,
    );
  }
  await stopAll();
  return total;
}

function endpoints({ engines }: Suite, started: Map<EngineName, Engine>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(engines).flatMap(([service, engine]) => {
      const url = started.get(engine)?.url ?? "";
      return [
        [`AWS_ENDPOINT_URL_${service}`, url],
        // For tests that start emulators of their own, and set the SDK's variables themselves.
        [`${service}_ENDPOINT`, url],
      ];
    }),
  );
}

type Report = {
  testResults: {
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
};

/** One after the other: engines are shared, and their Step Functions calls one set of functions. */
function runFile(suite: Suite, file: string, environment: Record<string, string>): Result {
  const outputFile = join(folder, "report.json");
  rmSync(outputFile, { force: true });
  const slow = file.endsWith(".slow.test.ts") ? ["--config", "vitest.slow.config.ts"] : [];
  const args = ["vitest", "run", ...slow, "--no-file-parallelism", file];
  const reporter = ["--reporter=json", `--outputFile=${outputFile}`];
  const { stderr } = spawnSync("npx", [...args, ...reporter], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    timeout: FILE_MS_MAX,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  const report = readReport(outputFile);
  if (report === undefined) {
    console.log(`  ${file} did not run: ${stderr.slice(-2_000)}`);
    return { passed: 0, failed: 1, skipped: 0, differs: [] };
  }
  const result: Result = { passed: 0, failed: 0, skipped: 0, differs: [] };
  const broken = report.testResults.filter(isBroken);
  if (report.testResults.length === 0 || broken.length > 0) {
    console.log(`  ${file} could not begin: ${broken.map(({ message }) => message).join("; ")}`);
    result.failed += 1;
  }
  for (const test of report.testResults.flatMap(({ assertionResults }) => assertionResults)) {
    const known = differences.find(
      (one) => enginesOf(suite).includes(one.engine) && one.tests.includes(test.fullName),
    );
    if (test.status === "passed") result.passed += 1;
    else if (test.status !== "failed") result.skipped += 1;
    else if (known !== undefined) result.differs.push(`${test.fullName}: ${known.why}`);
    else {
      result.failed += 1;
      console.log(`  failed: ${test.fullName}\n${test.failureMessages.join("\n").slice(0, 1_500)}`);
    }
  }
  return result;
}

/** It could not be loaded, or what comes before its tests has failed: they are called skipped. */
function isBroken({ status, assertionResults }: Report["testResults"][number]): boolean {
  return status === "failed" && assertionResults.every((test) => test.status !== "failed");
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return undefined;
  }
}
