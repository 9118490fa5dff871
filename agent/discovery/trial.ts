import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { Reading } from "../../core/twin/reading.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { guestArguments, guestPaths } from "../guest/arguments.ts";
import { guestEnvironment } from "../guest/launch.ts";
import { type Resources, resolveResources } from "../guest/resources.ts";
import { readTail } from "../guest/spawn.ts";
import { type Placeholders, placeholdersOf } from "../twin/placeholders.ts";
import { readTwin } from "../twin/read.ts";
import { trialDefinition } from "./trial-definition.ts";

/** QEMU must answer by then: its memory is anonymous and not preallocated. */
const START_MS = 30_000;
/** `timeout` ends the process after it, whatever becomes of the agent, seconds. */
const LIFE_SECONDS = 60;
const FOLDER = ".trial-";

export type TrialHost = {
  readonly qemu: string;
  readonly runDir: string;
  readonly sandbox: boolean;
  readonly resources: Resources;
};

/** What a trial was: the reading, and the types of devices that it did not have. */
export type Trial = { readonly reading: Reading; readonly leftOut: readonly string[] };

/**
 * Starts a QEMU from a definition as a migration's target would be, paused and beside the running
 * guest; reads it, and ends it. It takes nothing from the running guest.
 *
 * @throws Error with QEMU's last output, or CommandRefusedError: a host resource is missing
 */
export async function runTrial(vm: VmId, wanted: VmDefinition, host: TrialHost): Promise<Trial> {
  mkdirSync(host.runDir, { recursive: true, mode: 0o700 });
  removeOldFolders(host.runDir);
  const folder = mkdtempSync(join(host.runDir, FOLDER));
  let child: ChildProcess | undefined;
  try {
    const { definition: trial, leftOut } = trialDefinition(wanted, folder);
    const { definition } = resolveResources(trial, host.resources, folder);
    const paths = guestPaths(folder);
    const { sandbox } = host;
    const args = guestArguments({ vm, definition, paths, sandbox, incoming: true });
    child = launch(host.qemu, args, folder);
    const values = placeholdersOf(wanted, host.resources);
    return { reading: await readOnce(child, paths.qmp, { definition, values }), leftOut };
  } catch (cause) {
    const output = readTail(guestPaths(folder).output);
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error([message, output].filter(Boolean).join(": "), { cause });
  } finally {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readOnce(
  child: ChildProcess,
  path: string,
  { definition, values }: { definition: VmDefinition; values: Placeholders },
): Promise<Reading> {
  const stop = new AbortController();
  child.once("exit", () => stop.abort(new Error("QEMU ended")));
  child.once("error", (cause) => stop.abort(cause));
  const options = { connectTimeoutMs: START_MS, signal: stop.signal };
  const qmp = await QmpClient.connect({ path }, options);
  try {
    const manifest = { pid: child.pid ?? 0, definition };
    return (await readTwin({ qmp, manifest }, values)).reading;
  } finally {
    await qmp.close();
  }
}

/** `timeout` (coreutils) bounds the life of a QEMU whose agent has died. */
function launch(qemu: string, args: readonly string[], folder: string): ChildProcess {
  const output = openSync(guestPaths(folder).output, "a", 0o600);
  try {
    return spawn("timeout", ["-s", "KILL", String(LIFE_SECONDS), qemu, ...args], {
      detached: true,
      stdio: ["ignore", output, output],
      cwd: folder,
      env: guestEnvironment(),
    });
  } finally {
    closeSync(output);
  }
}

/** The trial has no guest and no state: it is killed with its `timeout`, which leads its group. */
async function end(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  process.kill(-child.pid, "SIGKILL");
  await exited;
}

/** Of trials that an agent died in: their QEMU has ended by now. */
function removeOldFolders(runDir: string): void {
  const before = Date.now() - 2 * LIFE_SECONDS * 1_000;
  for (const name of readdirSync(runDir)) {
    const path = join(runDir, name);
    const isOld = () => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < before;
    if (name.startsWith(FOLDER) && isOld()) rmSync(path, { recursive: true, force: true });
  }
}
