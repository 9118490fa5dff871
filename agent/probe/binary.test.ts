import { spawn } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { identify, isAlive, sendSignal, waitForEnd } from "../runtime/process.ts";
import { testFolder } from "../testing/folder.ts";

const PROBE = join(import.meta.dirname, "testing/describe-binary.ts");

/** A QEMU that never opens its monitor, and writes its pid to a file. */
function writeSilentQemu(folder: string) {
  const binary = join(folder, "qemu");
  const pidFile = join(folder, "pid");
  writeFileSync(binary, `#!/bin/sh\necho $$ >'${pidFile}'\nexec sleep 600\n`);
  chmodSync(binary, 0o755);
  return { binary, pidFile };
}

it("a QEMU that is probed ends with an agent that is killed meanwhile", async () => {
  const folder = testFolder();
  const { binary, pidFile } = writeSilentQemu(folder);
  const agent = spawn(process.execPath, [PROBE, binary, folder], { stdio: "ignore" });
  onTestFinished(() => void agent.kill("SIGKILL"));
  const qemu = await vi.waitFor(() => identify(Number(readFileSync(pidFile, "utf8"))), 20_000);
  onTestFinished(() => void sendSignal(qemu, "SIGKILL"));
  expect(isAlive(qemu)).toBe(true);
  agent.kill("SIGKILL");
  expect(await waitForEnd(qemu, 10_000)).toBe(true);
});
