import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { identify } from "../runtime/process.ts";
import { guestArguments, guestPaths } from "./arguments.ts";
import { hasManifest, type Manifest, writeManifest } from "./manifest.ts";
import { type Resources, resolveResources } from "./resources.ts";
import { forgetStart, noteStart } from "./starting.ts";

export type SpawnOptions = {
  vm: VmId;
  definition: VmDefinition;
  qemu: string;
  runDir: string;
  /** A target: paused, waiting for a migration. */
  incoming: boolean;
  sandbox: boolean;
  resources: Resources;
};

/** QEMU's QMP must answer within this time. */
const START_MS = 30_000;

/**
 * Starts QEMU and connects to it. The start is recorded before, and the manifest directly after, so that
 * an agent that dies here finds the process again.
 *
 * @throws CommandRefusedError `qemu` with QEMU's last output; then nothing of it is left. `refused` when
 *   the folder belongs to another process, which may be alive, or a host resource is missing
 */
export async function spawnGuest(options: SpawnOptions) {
  const { vm, definition, runDir, incoming } = options;
  const folder = join(runDir, vm);
  if (hasManifest(folder)) {
    throw new CommandRefusedError(
      "refused",
      `Failed to start ${vm}: ${folder} has a manifest, so its QEMU may be running; end that QEMU and remove the folder`,
    );
  }
  const resolved = resolveResources(definition, options.resources);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const startedMs = performance.now();
  const { qmp: qmpPath } = guestPaths(folder);
  const facts = { permittedToRun: !incoming, contSent: !incoming, arrived: !incoming };
  const known = { vm, adopted: false, qmpPath, definition, ...facts };
  try {
    noteStart(folder, known);
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true });
    throw cause;
  }
  const { child, failed } = launch({ ...options, definition: resolved }, folder);
  const stopConnecting = new AbortController();
  try {
    if (child.pid === undefined) await failed;
    const manifest: Manifest = { ...known, ...identify(child.pid) };
    writeManifest(folder, manifest);
    forgetStart(folder);
    const connecting = QmpClient.connect(
      { path: qmpPath },
      { connectTimeoutMs: START_MS, signal: stopConnecting.signal },
    );
    connecting.catch(() => undefined);
    const qmp = await Promise.race([connecting, failed]);
    return { folder, manifest, qmp, startMs: performance.now() - startedMs };
  } catch (cause) {
    stopConnecting.abort();
    child.kill("SIGKILL");
    const output = readTail(guestPaths(folder).output);
    rmSync(folder, { recursive: true, force: true });
    const message = cause instanceof Error ? cause.message : String(cause);
    const all = [`Failed to start the guest ${vm}: ${message}`, output].filter(Boolean).join(": ");
    throw new CommandRefusedError("qemu", all, { cause });
  }
}

function launch(options: SpawnOptions, folder: string) {
  const { qemu } = options;
  const paths = guestPaths(folder);
  const output = openSync(paths.output, "a", 0o600);
  const child = spawn(qemu, guestArguments({ ...options, paths }), {
    detached: true,
    stdio: ["ignore", output, output],
    cwd: folder,
    env: guestEnvironment(),
  });
  closeSync(output);
  const failed = ended(child, qemu);
  failed.catch(() => undefined);
  child.unref();
  return { child, failed };
}

function ended(child: ChildProcess, qemu: string): Promise<never> {
  return new Promise((_, reject) => {
    child.once("error", (cause) => reject(new Error(`Cannot run ${qemu}`, { cause })));
    child.once("exit", (code, signal) => reject(new Error(`QEMU ended with ${code ?? signal}`)));
  });
}

/** For processes that the agent starts: without its AWS credentials. */
export function guestEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")),
  );
}

/** The end of a file, however long it is; empty when there is none. */
export function readTail(path: string, bytes = 2_000): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(bytes);
    const count = readSync(descriptor, buffer, 0, bytes, Math.max(0, size - bytes));
    return buffer.toString("utf8", 0, count).trim();
  } finally {
    closeSync(descriptor);
  }
}
