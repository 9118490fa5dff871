import { describe, expect, it } from "vitest";
import { hasArrived, isStoppedBySwitchover, mayMove, needsResume, vmStateOf } from "./run-state.ts";

const version = (text: string) => {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  return { major, minor, micro: 0, package: "" };
};

describe("a guest's run state", () => {
  it.each([
    ["running", "running"],
    ["paused", "paused"],
    ["suspended", "suspended"],
    ["io-error", "io-error"],
    ["guest-panicked", "panicked"],
    ["shutdown", "stopped"],
    ["watchdog", "paused"],
    ["internal-error", "paused"],
    ["a-state-of-a-newer-qemu", "paused"],
  ])("%s is recorded as %s", (runState, vm) => {
    expect(vmStateOf(runState)).toBe(vm);
  });

  it.each([
    ["running", "7.2", "7.2", true],
    ["paused", "7.2", "11.1", true],
    ["io-error", "7.2", "7.2", true],
    ["guest-panicked", "10.0", "10.0", true],
    ["suspended", "9.0", "10.0", true],
    ["suspended", "8.2", "10.0", false],
    ["suspended", "10.0", "8.2", false],
    ["shutdown", "10.0", "10.0", false],
    ["inmigrate", "10.0", "10.0", false],
    ["postmigrate", "10.0", "10.0", false],
    ["a-state-of-a-newer-qemu", "12.0", "12.0", false],
  ])("%s from %s to %s: may move is %s", (runState, source, target, expected) => {
    const verdict = mayMove(runState, { source: version(source), target: version(target) });
    expect(verdict.mayMove).toBe(expected);
    if (!verdict.mayMove) expect(verdict.cure).not.toBe("");
  });

  it.each([
    ["running", true],
    ["suspended", true],
    ["paused", false],
    ["io-error", false],
    ["guest-panicked", false],
    ["shutdown", false],
  ])("%s: the target resumes it is %s", (runState, expected) => {
    expect(needsResume(runState)).toBe(expected);
  });

  it("has arrived in the run state in which it left, and in no other", () => {
    expect(hasArrived("running", "running")).toBe(true);
    expect(hasArrived("running", "paused")).toBe(false);
    expect(hasArrived("suspended", "paused")).toBe(false);
    expect(hasArrived("suspended", "suspended")).toBe(true);
    expect(hasArrived("io-error", "io-error")).toBe(true);
    expect(hasArrived("prelaunch", "paused")).toBe(true);
  });

  it("is the switchover's doing only in QEMU's own two states for it", () => {
    expect(["finish-migrate", "postmigrate"].every(isStoppedBySwitchover)).toBe(true);
    expect(["paused", "suspended", "io-error", "inmigrate"].some(isStoppedBySwitchover)).toBe(
      false,
    );
  });
});
