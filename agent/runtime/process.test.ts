import { spawn } from "node:child_process";
import { describe, expect, it, onTestFinished } from "vitest";
import { bootId, identify, isAlive, sendSignal, startTicks, waitForEnd } from "./process.ts";

function sleeper(name = "sleep") {
  const child = spawn("sleep", ["60"], { stdio: "ignore", argv0: name });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

describe("the identity of a process", () => {
  it("names one that lives, whatever it is called", () => {
    expect(isAlive(identify(sleeper(") Z 1 (").pid))).toBe(true);
    expect(isAlive({ pid: process.pid, startTicks: `${startTicks(process.pid)}` })).toBe(true);
  });

  it("ends with the process, before anybody has asked for its exit code", async () => {
    const child = sleeper();
    const identity = identify(child.pid);
    child.kill("SIGKILL");
    expect(await waitForEnd(identity, 5_000)).toBe(true);
    expect(sendSignal(identity, "SIGTERM")).toBe(false);
  });

  it.each([
    ["start time", { startTicks: "1" }],
    ["boot", { bootId: "another" }],
  ])("never takes a process of another %s with the same pid for it", async (_, change) => {
    const child = sleeper();
    const identity = { ...identify(child.pid), ...change };
    expect(isAlive(identity)).toBe(false);
    expect(sendSignal(identity, "SIGKILL")).toBe(false);
    expect(isAlive(identify(child.pid))).toBe(true);
  });

  it("is not there for a process that does not exist", () => {
    expect(() => identify(undefined)).toThrow("ended");
    expect(() => identify(2 ** 30)).toThrow("ended");
    expect(bootId()).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("can be waited for, but not longer than one wants", async () => {
    const identity = identify(sleeper().pid);
    expect(await waitForEnd(identity, 20)).toBe(false);
    expect(await waitForEnd(identity, 60_000, { signal: AbortSignal.timeout(20) })).toBe(false);
  });
});
