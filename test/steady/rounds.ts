import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { killProcessesUnder } from "../../rig/processes.ts";
import { makeShortFolder } from "../../rig/short-folder.ts";
import { ROOT } from "../tidy/sources.ts";

/** All files once, on a machine that is kept busy. */
const ROUND_MS = 3_600_000;
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");

/** In `tests`: each test that failed, with the first line of its error. */
export type Failure = { round: number; file: string; tests: string[] };

/** Of vitest's JSON reporter: the part that is read. */
type Report = {
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { status: string; fullName: string; failureMessages?: string[] }[];
  }[];
};

/** Runs test files again and again, and kills the processes that outlive their tests. */
export class Rounds {
  /** Runs of a file so far. */
  runs = 0;
  readonly failures: Failure[] = [];
  readonly #files: readonly string[];
  /** The tests' temporary folder. */
  readonly #folder = makeShortFolder("s");
  #child: ChildProcess | undefined;
  #isStopped = false;

  constructor(files: readonly string[]) {
    this.#files = files;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  async run(round: number): Promise<void> {
    const reportFile = join(this.#folder, "report.json");
    rmSync(reportFile, { force: true });
    const reporter = ["--reporter=json", `--outputFile=${reportFile}`];
    const child = spawn(process.execPath, [VITEST, "run", ...this.#files, ...reporter], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: this.#folder },
      stdio: "ignore",
      timeout: ROUND_MS,
      killSignal: "SIGKILL",
    });
    this.#child = child;
    await once(child, "exit");
    this.#clear();
    if (this.#isStopped) return;
    const found = existsSync(reportFile) ? failuresOf(readReport(reportFile), round) : undefined;
    this.runs += this.#files.length;
    this.failures.push(
      ...(found ?? [{ round, file: "all", tests: [`no report, exit status ${child.exitCode}`] }]),
    );
  }

  /** Ends everything at once. May be called again. */
  stop(): void {
    this.#isStopped = true;
    this.#child?.kill("SIGKILL");
    this.#clear();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Processes that outlived their test disturb the next round. */
  #clear(): void {
    killProcessesUnder(this.#folder);
  }
}

function readReport(path: string): Report {
  return JSON.parse(readFileSync(path, "utf8")) as Report;
}

/** A file counts once, whatever failed in it. */
function failuresOf(report: Report, round: number): Failure[] {
  return report.testResults
    .filter(({ status }) => status === "failed")
    .map(({ name, message, assertionResults }) => {
      const failed = assertionResults.filter(({ status }) => status === "failed");
      const tests = failed.map(
        (test) => `${test.fullName}: ${firstLine(test.failureMessages?.[0])}`,
      );
      const file = relative(ROOT, name);
      return { round, file, tests: tests.length > 0 ? tests : [firstLine(message)] };
    });
}

function firstLine(text = "no message"): string {
  return text.split("\n")[0] ?? text;
}
