import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { identify, waitForEnd } from "../runtime/process.ts";
import { testFolder } from "../testing/folder.ts";
import { lockStateDir } from "./lock.ts";

it("a state directory is one agent's until that has ended", async () => {
  const folder = testFolder();
  const other = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void other.kill("SIGKILL"));
  const identity = identify(other.pid);
  writeFileSync(join(folder, "agent.lock"), JSON.stringify(identity));
  expect(() => lockStateDir(folder)).toThrow(`process ${other.pid}`);
  other.kill("SIGKILL");
  await waitForEnd(identity, 5_000);
  const unlock = lockStateDir(folder);
  expect(existsSync(join(folder, "agent.lock"))).toBe(true);
  unlock();
  unlock();
  expect(existsSync(join(folder, "agent.lock"))).toBe(false);
});
