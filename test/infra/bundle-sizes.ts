import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { type FunctionName, functionDescriptions } from "../../deployment/functions.ts";
import { bundle } from "./bundle.ts";
import { installTools } from "./tools.ts";

const IMPORTS = 7;
const KB = 1000;

new Command("bundle-sizes")
  .description(
    "Prints the size of each function's bundle (made as SST makes it), and how long Node needs to " +
      `import it in a new process: best and median of ${IMPORTS}`,
  )
  .parse();

const missing = installTools();
if (missing !== undefined) throw new Error(missing);
const folder = mkdtempSync(join(tmpdir(), "sy-bundles-"));
try {
  const [load = 0] = loadavg();
  console.log(
    `Node.js ${process.version} on ${process.arch}, ${availableParallelism()} cores, ` +
      `load ${load.toFixed(1)}`,
  );
  console.log("function        kB   gzip  without SDK   import ms: best  median");
  for (const name of Object.keys(functionDescriptions) as FunctionName[]) {
    const { handler } = functionDescriptions[name];
    const whole = await bundle(handler, join(folder, name));
    const own = await bundle(handler, join(folder, `${name}-own`), { withoutSdk: true });
    const times = Array.from({ length: IMPORTS }, () => importMs(whole.file)).toSorted(
      (a, b) => a - b,
    );
    const sizes = [whole.bytes, whole.gzipBytes, own.bytes].map((bytes) => Math.round(bytes / KB));
    const [best = 0] = times;
    const median = times[Math.floor(IMPORTS / 2)] ?? 0;
    const cells = [...sizes, Math.round(best), Math.round(median)];
    const widths = [5, 7, 13, 17, 8];
    const row = cells.map((cell, place) => String(cell).padStart(widths[place] ?? 0)).join("");
    console.log(`${name.padEnd(13)}${row}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function importMs(file: string): number {
  const script = `const start = performance.now();
    import(${JSON.stringify(file)}).then(() => console.log(performance.now() - start))`;
  return Number(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }));
}
