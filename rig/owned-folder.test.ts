import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { identify, isAlive } from "../agent/runtime/process.ts";
import { removeFolder, sweepFolders } from "./owned-folder.ts";
import { killProcessesUnder } from "./processes.ts";

const OWNER = join(import.meta.dirname, "testing/owner.ts");

/** A temporary folder of the test's own, so that no other owner's folders lie in it. */
function useTemporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "o"));
  vi.stubEnv("TMPDIR", folder);
  onTestFinished(() => {
    removeFolder(folder);
    vi.unstubAllEnvs();
  });
  return folder;
}

/** A process that owns a folder, in which a guest runs that outlives it. */
async function startOwner() {
  const stdio = ["ignore", "pipe", "inherit", "ipc"] as const;
  const owner = spawn(process.execPath, [OWNER], { stdio: [...stdio] });
  onTestFinished(() => void owner.kill("SIGKILL"));
  const exited = once(owner, "exit");
  const [line] = (await once(owner.stdout ?? owner, "data")) as [Buffer];
  const { folder, guestPid } = JSON.parse(line.toString()) as { folder: string; guestPid: number };
  return { owner, exited, folder, guest: identify(guestPid) };
}

it.each(["exit", "SIGTERM", "SIGKILL"] as const)(
  "the folders of a process that ends by %s go, with the processes in them",
  async (how) => {
    useTemporaryFolder();
    const { owner, exited, folder, guest } = await startOwner();
    expect(isAlive(guest)).toBe(true);
    if (how === "exit") owner.send("exit");
    else owner.kill(how);
    await exited;
    await vi.waitFor(() => expect([existsSync(folder), isAlive(guest)]).toEqual([false, false]), {
      timeout: 10_000,
    });
  },
);

it("what nobody has removed goes when the next process asks for a folder", async () => {
  useTemporaryFolder();
  const { folder, guest, owner, exited } = await startOwner();
  // Outside of the guard's care from here on: its owner seems to have ended.
  const file = join(folder, ".owner");
  const known = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...known, startTicks: "1" }));
  expect(sweepFolders()).toEqual([folder]);
  expect([existsSync(folder), isAlive(guest)]).toEqual([false, false]);
  owner.kill("SIGKILL");
  await exited;
});

it("folders of running owners, of another pid namespace and of nobody stay", async () => {
  const temporary = useTemporaryFolder();
  const { folder, guest } = await startOwner();
  const foreign = mkdtempSync(join(temporary, "sy-"));
  const owner = { ...JSON.parse(readFileSync(join(folder, ".owner"), "utf8")), pid: 2 ** 30 };
  writeFileSync(join(foreign, ".owner"), JSON.stringify({ ...owner, pidNamespace: "pid:[1]" }));
  mkdtempSync(join(temporary, "sy-"));
  expect(sweepFolders()).toEqual([]);
  expect(readdirSync(temporary)).toHaveLength(3);
  expect(isAlive(guest)).toBe(true);
});

it.each(["", "/", "/tmp", "/tmp/", "sy-1"])("ends no process for the folder `%s`", (folder) => {
  expect(() => killProcessesUnder(folder)).toThrow("Expected a folder's path");
});
