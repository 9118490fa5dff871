import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished } from "vitest";

const MAIN = join(import.meta.dirname, "../main.ts");

/** Of a slice of the campaign, on a busy machine. */
export const SLICE_MS = 400_000;

/** Runs `npm run faults -- --json` with these arguments; the header line is passed on at once. */
export async function runFaults(
  args: string[],
  onHeader: (line: string, child: ChildProcess) => void,
): Promise<{ lines: string[]; code: number | null }> {
  const child = spawn(process.execPath, [MAIN, "--json", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGTERM"));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === 1) onHeader(line, child);
  }
  return { lines, code: await ended };
}

/** Expects no violation; a failure shows what was violated and the command that repeats it. */
export async function expectKept(seed: number, runs: number, more: string[] = []): Promise<void> {
  const args = ["--seed", String(seed), "--runs", String(runs), ...more];
  const { lines, code } = await runFaults(args, (header) => console.log(header));
  const again = `To repeat: npm run faults -- ${args.join(" ")}`;
  const [, ...rest] = lines;
  expect(rest.slice(0, -2).filter(isReport), again).toEqual([]);
  expect(JSON.parse(rest.at(-1) ?? ""), again).toMatchObject({ seed, runs, violations: 0 });
  expect(code, again).toBe(0);
}

/** Anything but the line of a run in which every promise was kept. */
function isReport(line: string): boolean {
  return !/^ *\d+ ok /.test(line);
}
