import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { identify, isAlive, type ProcessIdentity } from "../../agent/runtime/process.ts";
import { removeFolder } from "../../rig/owned-folder.ts";
import { ROOT } from "../tidy/sources.ts";

const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
const CONFIG = join(import.meta.dirname, "vitest.config.ts");

type Run = {
  vitest: ChildProcess;
  exited: Promise<unknown>;
  folder: string;
  /** The worker, an agent and a guest. */
  started: ProcessIdentity[];
};

/** A test run of its own, in the middle of a test that has started processes. */
async function startRun(): Promise<Run> {
  const temporary = mkdtempSync(join(tmpdir(), "i"));
  vi.stubEnv("TMPDIR", temporary);
  onTestFinished(() => {
    removeFolder(temporary);
    vi.unstubAllEnvs();
  });
  const vitest = spawn(process.execPath, [VITEST, "run", "--config", CONFIG], {
    cwd: ROOT,
    detached: true,
    stdio: "ignore",
  });
  onTestFinished(() => void vitest.kill("SIGKILL"));
  const exited = once(vitest, "exit");
  const ready = await vi.waitFor(
    () => JSON.parse(readFileSync(join(temporary, "ready.json"), "utf8")),
    { timeout: 25_000, interval: 50 },
  );
  const { folder, pids } = ready as { folder: string; pids: number[] };
  return { vitest, exited, folder, started: pids.map((pid) => identify(pid)) };
}

it.each([
  ["interrupted at the keyboard", "SIGINT", "group"],
  ["terminated", "SIGTERM", "vitest"],
  ["killed", "SIGKILL", "vitest"],
] as const)("a test run that is %s leaves nothing", async (_, signal, to) => {
  const { vitest, exited, folder, started } = await startRun();
  const { pid } = vitest;
  if (pid === undefined) throw new Error("Expected vitest to run");
  // A terminal sends its signals to the whole process group.
  process.kill(to === "group" ? -pid : pid, signal);
  await exited;
  await vi.waitFor(() => expect(started.filter(isAlive)).toEqual([]), 10_000);
  await vi.waitFor(() => expect(existsSync(folder)).toBe(false), 10_000);
});
