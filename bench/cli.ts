import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleCli } from "../scripts/cli-bundle.ts";

/** The command line's start, beside that of Node alone. Runs alternate, so that load hits all alike. */
const RUNS = 15;

const folder = mkdtempSync(join(tmpdir(), "sy-bench-"));
try {
  const bundle = join(folder, "switchyard.js");
  await bundleCli(bundle);
  const cases: Record<string, string[]> = {
    "node -e 0": ["-e", "0"],
    "switchyard --version": [bundle, "--version"],
    "switchyard docs": [bundle, "docs"],
  };
  const times = new Map(Object.keys(cases).map((name) => [name, [] as number[]]));
  for (let run = 0; run < RUNS; run += 1) {
    for (const [name, words] of Object.entries(cases)) {
      const startMs = performance.now();
      execFileSync(process.execPath, words, { stdio: "ignore" });
      times.get(name)?.push(performance.now() - startMs);
    }
  }
  for (const [name, taken] of times) {
    const sorted = taken.toSorted((a, b) => a - b);
    const median = Math.round(sorted[Math.floor(RUNS / 2)] ?? 0);
    const least = Math.round(sorted[0] ?? 0);
    console.log(`${name.padEnd(22)} median ${median} ms, least ${least} ms, ${RUNS} runs`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
