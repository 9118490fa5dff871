import { execFileSync } from "node:child_process";

/** Whether `promtool` is on PATH: Debian's package `prometheus` has it. */
export function hasPromtool(): boolean {
  try {
    execFileSync("promtool", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
