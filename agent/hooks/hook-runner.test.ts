import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { HookRunner } from "./hook-runner.ts";

let folder: string;
let runner: HookRunner;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sy-hook-"));
  runner = new HookRunner();
});
afterEach(() => {
  runner.close();
  rmSync(folder, { recursive: true, force: true });
});

function script(body: string): string {
  const path = join(folder, "hook.sh");
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o700);
  return path;
}

const run = (body: string, timeoutMs = 20_000, ...args: string[]) =>
  runner.run({ command: [script(body), ...args], timeoutMs }, { hook: "prepare", vm: "web 1" });

it("a hook gets its arguments unchanged, and its input as JSON on stdin", async () => {
  const result = await run(`printf '%s|' "$@"; cat; echo oops >&2`, undefined, "a b", "$HOME;ls");
  expect(result).toMatchObject({ outcome: "succeeded", detail: "exit status 0" });
  expect(result.output).toContain("a b|$HOME;ls|");
  expect(result.output).toContain('{"hook":"prepare","vm":"web 1"}');
  expect(result.output).toContain("oops");
});

it.each([
  ["exit 3", "exit status 3"],
  ["kill -9 $$", "ended by SIGKILL"],
])("%s is a failure with its reason", async (body, detail) => {
  expect(await run(body)).toMatchObject({ outcome: "failed", detail });
});

it("a hook that does not exist is a failure, not an exception", async () => {
  const command = [join(folder, "nothing")] as [string];
  const result = await runner.run({ command, timeoutMs: 20_000 }, {});
  expect(result).toMatchObject({ outcome: "failed" });
  expect(result.detail).toContain("ENOENT");
});

it("a hook need not read its input", async () => {
  expect(await run("exec <&-; exit 0")).toMatchObject({ outcome: "succeeded" });
});

it("a hook that hangs and ignores SIGTERM is killed with the processes it has started", async () => {
  const pidFile = join(folder, "pid");
  const body = `trap '' TERM; sleep 600 & echo $! > ${pidFile}; wait; wait; sleep 600`;
  const result = await run(body, 1_000);
  expect(result).toMatchObject({ outcome: "timed-out", detail: "not done within 1000 ms" });
  const pid = Number(readFileSync(pidFile, "utf8"));
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 10_000);
});

it("processes that a hook leaves behind are ended, and do not keep its output open", async () => {
  const pidFile = join(folder, "pid");
  const result = await run(`sleep 600 & echo $! > ${pidFile}; echo done`);
  expect(result).toMatchObject({ outcome: "succeeded", output: "done\n" });
  const pid = Number(readFileSync(pidFile, "utf8"));
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 10_000);
});

it("only the beginning of endless output is kept", async () => {
  const result = await run("head -c 5000000 /dev/zero | tr '\\0' x");
  expect(result).toMatchObject({ outcome: "succeeded" });
  expect(result.output).toBe("x".repeat(4_096));
});

it("a hook ends with the agent", async () => {
  const ready = join(folder, "ready");
  const running = run(`: > ${ready}; exec sleep 600`, 300_000);
  await vi.waitFor(() => expect(existsSync(ready)).toBe(true), 10_000);
  runner.close();
  expect(await running).toMatchObject({ outcome: "failed", detail: "ended by SIGKILL" });
});

/** A zombie does not count: its parent may collect it later. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
