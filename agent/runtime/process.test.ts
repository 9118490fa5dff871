import { spawn } from "node:child_process";
import { describe, expect, it, onTestFinished } from "vitest";
import { bootId, identify, isAlive, sendSignal, startTicks, waitForEnd } from "./process.ts";

function sleeper(name = "sleep") {
  const child = spawn("sleep", ["60"], { stdio: "ignore", argv0: name });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

describe("the identity of a process", () => {
  it("is that of a live process, whatever its name", () => {
    expect(isAlive(identify(sleeper(") Z 1 (").pid))).toBe(true);
    expect(isAlive({ pid: process.pid, startTicks: `${startTicks(process.pid)}` })).toBe(true);
  });

  it("ends with the process, also while its exit code is not collected", async () => {
    const child = sleeper();
    const identity = identify(child.pid);
    child.kill("SIGKILL");
    expect(await waitForEnd(identity, 5_000)).toBe(true);
    expect(sendSignal(identity, "SIGTERM")).toBe(false);
  });

  it.each([
    ["start time", { startTicks: "1" }],
    ["boot", { bootId: "another" }],
  ])("differs from that of a process with the same pid and another %s", async (_, change) => {
    const child = sleeper();
    const identity = { ...identify(child.pid), ...change };
    expect(isAlive(identity)).toBe(false);
    expect(sendSignal(identity, "SIGKILL")).toBe(false);
    expect(isAlive(identify(child.pid))).toBe(true);
  });

  it("does not exist without a process", () => {
    expect(() => identify(undefined)).toThrow("ended");
    expect(() => identify(2 ** 30)).toThrow("ended");
    expect(bootId()).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("its end is awaited up to a timeout or a signal", async () => {
    const identity = identify(sleeper().pid);
    expect(await waitForEnd(identity, 20)).toBe(false);
    expect(await waitForEnd(identity, 60_000, { signal: AbortSignal.timeout(20) })).toBe(false);
  });
});
