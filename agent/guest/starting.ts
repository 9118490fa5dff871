import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identify } from "../runtime/process.ts";
import { monitorOption } from "./arguments.ts";
import { hasManifest, Manifest, writeManifest } from "./manifest.ts";

const NAME = "starting.json";
const Starting = Manifest.omit({ pid: true, startTicks: true, bootId: true });
type Starting = Omit<Manifest, "pid" | "startTicks" | "bootId">;

/**
 * Written before QEMU is started: an agent that dies before it knows the process would leave it to
 * nobody. @throws the file system's error: then nothing may be started.
 */
export function noteStart(folder: string, starting: Starting): void {
  const path = join(folder, NAME);
  writeFileSync(`${path}.new`, JSON.stringify(starting), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** The manifest says it all from here on. */
export function forgetStart(folder: string): void {
  rmSync(join(folder, NAME), { force: true });
}

/**
 * Starts that an earlier life of the agent died over: a process that is there gets its manifest, by
 * which it is taken over; where there is none the folder goes.
 */
export function finishStarts(runDir: string, onError: (folder: string, error: unknown) => void) {
  if (!existsSync(runDir)) return;
  for (const name of readdirSync(runDir)) {
    const folder = join(runDir, name);
    if (!existsSync(join(folder, NAME)) || hasManifest(folder)) continue;
    try {
      finishStart(folder);
    } catch (error) {
      onError(folder, error);
    }
  }
}

function finishStart(folder: string): void {
  const starting = Starting.parse(JSON.parse(readFileSync(join(folder, NAME), "utf8")));
  const pid = findProcess(monitorOption(starting.qmpPath));
  if (pid === undefined) {
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  writeManifest(folder, { ...starting, ...identify(pid) });
  forgetStart(folder);
}

/** The process with exactly this among its arguments. */
function findProcess(argument: string): number | undefined {
  const name = readdirSync("/proc").find((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0").includes(argument);
    } catch {
      return false;
    }
  });
  return name === undefined ? undefined : Number(name);
}
