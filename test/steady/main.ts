import { Command } from "commander";
import { wholeNumber } from "../../rig/whole-number.ts";
import { findTimedFiles } from "./find-files.ts";
import { Load } from "./load.ts";
import { type Part, parsePart, partOf } from "./part.ts";
import { Rounds } from "./rounds.ts";

const program = new Command("test:steady")
  .description(
    "Runs the test files that use real processes, sockets or timers again and again while the " +
      "machine is kept busy: a test that depends on its speed fails sooner or later",
  )
  .option("--times <number>", "how often each file is run", wholeNumber(1, 1_000), 20)
  .option("--load <number>", "processes that keep a core busy meanwhile", wholeNumber(0, 64), 2)
  .option("--files <text...>", "only files whose path contains one of these")
  .option("--part <k/n>", "only the k-th of n parts of the files", parsePart)
  .option("--list", "print the files and end")
  .option("--json", "print the result as JSON on the last line")
  .addHelpText(
    "after",
    `
A run is one file run once; a run in which any test fails is a failure. The last line is
\`N runs, N failures\`. The exit status is 1 when there was a failure.`,
  )
  .parse();

type Options = {
  times: number;
  load: number;
  files?: string[];
  part?: Part;
  list?: true;
  json?: true;
};
const { times, load: workers, files: filters = [], part, list, json } = program.opts<Options>();
const files = partOf(findTimedFiles(filters), part);
if (files.length === 0) program.error("Expected a test file that uses processes or timers");
if (list) {
  console.log(files.join("\n"));
  process.exit();
}

const load = new Load(workers);
const rounds = new Rounds(files);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => rounds.stop());
}
console.log(`${files.length} files, ${times} times, beside ${workers} busy processes`);
for (let round = 1; round <= times; round += 1) {
  const known = rounds.failures.length;
  const startedMs = performance.now();
  await rounds.run(round);
  if (rounds.isStopped) break;
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  const found = rounds.failures.slice(known);
  console.log(`round ${round} of ${times}: ${found.length} failures, ${seconds} s`);
  for (const { file, tests } of found) console.log(`  ${file}: ${tests.join("; ")}`);
}
const isWhole = !rounds.isStopped;
rounds.stop();
await load.stop();
report();
process.exit(isWhole && rounds.failures.length === 0 ? 0 : 1);

function report(): void {
  const { runs, failures } = rounds;
  if (json) {
    const failed = failures;
    console.log(JSON.stringify({ runs, failures: failed.length, files, times, workers, failed }));
  } else console.log(`${runs} runs, ${failures.length} failures`);
}
