import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import {
  type MadeImage,
  makeImages,
  removeImages,
  type WantedImage,
} from "../storage/copy-images.ts";
import { guestArguments, guestPaths } from "./arguments.ts";
import { launchUnit } from "./guest-unit.ts";
import { LaunchError, type Launched, launchChild } from "./launch.ts";
import { hasManifest, type Manifest, writeManifest } from "./manifest.ts";
import { type Resources, resolveResources } from "./resources.ts";
import { forgetStart, noteStart } from "./starting.ts";
import { makeTaps, removeTaps } from "./taps.ts";

export type SpawnOptions = {
  vm: VmId;
  definition: VmDefinition;
  qemu: string;
  runDir: string;
  /** A target: paused, waiting for a migration. */
  incoming: boolean;
  sandbox: boolean;
  resources: Resources;
  /** A target's: made before QEMU starts. */
  images?: readonly WantedImage[];
  /** The slice of systemd that guests are units in. Default: they are children of the agent. */
  guestSlice?: string | undefined;
  /** Called every 10 s while QEMU does not answer yet. */
  onStarting?: (elapsedMs: number) => void;
};

/**
 * QEMU must answer by then: it allocates and clears preallocated memory before. This bounds a start
 * that hangs; one that fails ends QEMU, which is noticed at once.
 */
const START_MS = 30_000;
const START_MS_PER_GIB = 2_000;
const START_MS_MAX = 900_000;
const STARTING_EVERY_MS = 10_000;
/** What QEMU writes at each start before the agent connects (QEMU chardev/char-socket.c). */
const WAITING = /: info: QEMU waiting for connection on: /;
/** execve(2): one argument may have 128 KiB with its terminating zero (Linux MAX_ARG_STRLEN). */
const ARGUMENT_BYTES_MAX = 131_071;
/** execve(2): a quarter of the default stack limit of 8 MiB, less room for the environment. */
const ARGUMENTS_BYTES_MAX = 1_900_000;

/** How long a guest of this size may take to start, ms. */
export function startLimitMs(memoryBytes: number): number {
  return Math.min(START_MS + START_MS_PER_GIB * (memoryBytes / 2 ** 30), START_MS_MAX);
}

/**
 * Starts QEMU and connects to it. The start is recorded before, and the manifest directly after, so that
 * an agent that dies here finds the process again.
 *
 * @throws CommandRefusedError `qemu` with QEMU's last output; then nothing of it is left. `refused` when
 *   the folder belongs to another process, which may be alive, a host resource is missing, or a tap
 *   cannot be made
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
  const { definition: resolved, taps } = resolveResources(definition, options.resources, folder);
  const args = guestArguments({ ...options, definition: resolved, paths: guestPaths(folder) });
  refuseIfTooLong(vm, args);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const startedMs = performance.now();
  const { qmp: qmpPath } = guestPaths(folder);
  const facts = { permittedToRun: !incoming, contSent: !incoming, arrived: !incoming };
  const known = { vm, adopted: false, qmpPath, definition, ...facts };
  let launched: Launched | undefined;
  let images: MadeImage[] = [];
  const all = () => (images.length === 0 ? known : { ...known, images });
  try {
    noteStart(folder, known);
    await makeImages(options.images ?? [], (made) => {
      images = made;
      noteStart(folder, all());
    });
    await makeTaps(taps);
    launched = await launch(options, args, folder);
    const manifest: Manifest = { ...all(), ...launched.identity };
    writeManifest(folder, manifest);
    forgetStart(folder);
    const qmp = await connect(qmpPath, launched, options);
    return { folder, manifest, qmp, startMs: performance.now() - startedMs };
  } catch (cause) {
    launched?.kill();
    const output = readTail(guestPaths(folder).output);
    await removeTaps(taps.map(({ name }) => name));
    removeImages(images);
    rmSync(folder, { recursive: true, force: true });
    // The file system's own errors, such as ENOSPC, are for operators to mend.
    if (launched === undefined && !(cause instanceof LaunchError)) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    const said = [`Failed to start the guest ${vm}: ${message}`, output].filter(Boolean);
    throw new CommandRefusedError("qemu", said.join(": "), { cause });
  }
}

/** @throws CommandRefusedError `refused`: the kernel would not start such a process (E2BIG) */
function refuseIfTooLong(vm: VmId, args: readonly string[]): void {
  const lengths = args.map((argument) => Buffer.byteLength(argument));
  const length = Math.max(...lengths);
  const option = args[lengths.indexOf(length) - 1];
  if (length > ARGUMENT_BYTES_MAX) {
    throw new CommandRefusedError(
      "refused",
      `Failed to start ${vm}: expected each option of its QEMU to have at most ${ARGUMENT_BYTES_MAX} bytes, got ${length} for one \`${option}\`: shorten its properties`,
    );
  }
  const sum = lengths.reduce((total, bytes) => total + bytes + 1, 0);
  if (sum > ARGUMENTS_BYTES_MAX) {
    throw new CommandRefusedError(
      "refused",
      `Failed to start ${vm}: expected the options of its QEMU to have at most ${ARGUMENTS_BYTES_MAX} bytes, got ${sum}: give it fewer devices, or shorten their properties`,
    );
  }
}

/** Waits for QEMU's QMP for as long as the process lives, within a bound by the guest's memory. */
async function connect(
  path: string,
  launched: Launched,
  { definition, onStarting }: SpawnOptions,
): Promise<QmpClient> {
  const stop = new AbortController();
  const startedMs = performance.now();
  const timer = setInterval(
    () => onStarting?.(performance.now() - startedMs),
    STARTING_EVERY_MS,
  ).unref();
  const connecting = QmpClient.connect(
    { path },
    { connectTimeoutMs: startLimitMs(definition.memoryBytes), signal: stop.signal },
  );
  connecting.catch(() => undefined);
  try {
    const ended = launched.ended(stop.signal);
    ended.catch(() => undefined);
    return await Promise.race([connecting, ended]);
  } finally {
    stop.abort();
    clearInterval(timer);
  }
}

function launch(
  { qemu, vm, guestSlice }: SpawnOptions,
  args: readonly string[],
  folder: string,
): Promise<Launched> {
  const { output } = guestPaths(folder);
  const order = { qemu, args, folder, output };
  return guestSlice === undefined ? launchChild(order) : launchUnit(order, vm, guestSlice);
}

/** Most of QEMU's output that a message has, bytes. */
const TAIL_BYTES = 2_000;

/**
 * The end of QEMU's output, however long it is; empty when there is none.
 *
 * @param from nothing of before this place in it, bytes
 */
export function readTail(path: string, from = 0): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(TAIL_BYTES);
    const start = Math.max(0, from, size - TAIL_BYTES);
    const count = readSync(descriptor, buffer, 0, TAIL_BYTES, start);
    const lines = buffer.toString("utf8", 0, count).split("\n");
    return lines
      .filter((line) => !WAITING.test(line))
      .join("\n")
      .trim();
  } finally {
    closeSync(descriptor);
  }
}
