import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { guestPaths, monitorOption } from "./arguments.ts";
import { readManifests } from "./manifest.ts";
import { finishStarts, noteStart } from "./starting.ts";

function interruptedStart() {
  const runDir = mkdtempSync(join(tmpdir(), "starting-"));
  onTestFinished(() => rmSync(runDir, { recursive: true, force: true }));
  const folder = join(runDir, "vm-1");
  mkdirSync(folder);
  const { qmp: qmpPath } = guestPaths(folder);
  const definition = VmDefinition.parse({ machine: "pc", memoryBytes: 32 * 2 ** 20 });
  noteStart(folder, {
    vm: VmId.parse("vm-1"),
    adopted: false,
    permittedToRun: false,
    contSent: false,
    arrived: false,
    qmpPath,
    definition,
  });
  const onError = vi.fn();
  const finish = () => finishStarts(runDir, onError);
  return { runDir, folder, qmpPath, onError, finish };
}

it("finds the process of a start that the agent died in", async () => {
  const { runDir, folder, qmpPath, onError, finish } = interruptedStart();
  const script = "setInterval(() => {}, 1_000)";
  const child = spawn(process.execPath, ["-e", script, "--", "-qmp", monitorOption(qmpPath)]);
  onTestFinished(() => void child.kill("SIGKILL"));
  await vi.waitFor(() => {
    expect(readFileSync(`/proc/${child.pid}/cmdline`, "utf8")).toContain(qmpPath);
  }, 20_000);
  finish();
  expect(onError).not.toHaveBeenCalled();
  expect(readManifests(runDir, onError)).toMatchObject([
    { folder, manifest: { vm: "vm-1", pid: child.pid, permittedToRun: false } },
  ]);
});

it("removes the folder of a process that was never started", () => {
  const { folder, onError, finish } = interruptedStart();
  finish();
  expect(onError).not.toHaveBeenCalled();
  expect(existsSync(folder)).toBe(false);
});

it("removes what an interrupted removal has left, and nothing else", () => {
  const { runDir, onError, finish } = interruptedStart();
  for (const name of ["ended", "empty", "other"]) mkdirSync(join(runDir, name));
  writeFileSync(join(runDir, "ended", "run-grant"), "");
  writeFileSync(join(runDir, "other", "notes.txt"), "");
  writeFileSync(join(runDir, "file"), "");
  finish();
  expect(onError).not.toHaveBeenCalled();
  expect(readdirSync(runDir).sort()).toEqual(["file", "other"]);
});
