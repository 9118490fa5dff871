import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { processesUnder } from "../../rig/processes.ts";
import { waitUntil } from "../../rig/wait-until.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const PATIENCE_MS = 400_000;

/** Runs `npm run faults` on the model. */
async function faults(args: string[], onHeader: (line: string, child: ChildProcess) => void) {
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

/** A slice that takes a minute or so; `npm run faults -- --runs 1000` draws on. */
describe("a guest that is moved to and fro on the model under faults", () => {
  it.each([
    ["the same ones as always", 1, 16],
    ["others each time", Math.floor(Math.random() * 2 ** 31), 4],
  ])(
    "keeps every promise: %s (seed %i, %i runs)",
    {
      timeout: PATIENCE_MS,
    },
    async (_, seed, runs) => {
      const { lines, code } = await faults(
        ["--seed", String(seed), "--runs", String(runs)],
        (header) => console.log(header),
      );
      expect(lines.filter((line) => !/^ *\d+ ok /.test(line)).slice(1, -2)).toEqual([]);
      expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ seed, runs, violations: 0 });
      expect(code).toBe(0);
    },
  );
});

it("leaves nothing behind when it is interrupted, twice", { timeout: PATIENCE_MS }, async () => {
  let folder = "";
  const { code } = await faults(["--seed", "1", "--runs", "9"], async (header, child) => {
    folder = / in (\S+)$/.exec(header)?.[1] ?? "";
    // A cloud and an agent, of which others are being started.
    await waitUntil("some parts", () => processesUnder(folder)[1]);
    child.kill("SIGINT");
    child.kill("SIGINT");
  });
  expect(folder).toMatch(/sy-/);
  expect(code).not.toBe(0);
  expect(processesUnder(folder)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});
