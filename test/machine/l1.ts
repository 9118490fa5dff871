import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { L1Channel, type L1Process, type SpawnOptions } from "./l1-channel.ts";
import { PROJECT_DIR } from "./project-dir.ts";

const CONSOLE_LINES_MAX = 2000;
/** Without AVX, which is slow when emulated: Node and QEMU then take a sixth less time. */
const CPU = "Nehalem";
const STOP_DEADLINE_MS = 10_000;

/** A port of the machine's loopback that reaches a port inside L1. */
export type PortForward = {
  hostPort: number;
  guestPort: number;
};

/** What it boots from. */
export type BootRig = {
  readonly kernel: string;
  readonly initrd: string;
  /** Folder of unpacked packages that is shared with the machine under that name, read-only. */
  readonly packages?: string;
};

export type L1Options = {
  rig: BootRig;
  /** Default 2048. Node needs most of it; a guest inside takes its own RAM and some 50 MiB. */
  memoryMiB?: number;
  /** Virtual CPUs, each a thread of its own. Default 2. */
  cpus?: number;
  forwards?: readonly PortForward[];
  /** More of QEMU's options, such as a disk. */
  devices?: readonly string[];
  /** Time until L1 answers. Default 60,000: some 5,000 on an idle machine. */
  bootDeadlineMs?: number;
  /** Called with each line of L1's console. Default: kept for error messages only. */
  onConsole?: (line: string) => void;
};

/**
 * The machine that plays the hypervisor host: Linux with VFIO in software emulation, no KVM.
 *
 * - The project is at /project, read-only, as each file is when it is first read; Node 24 is `node`,
 *   QEMU `qemu-system-x86_64`, the rig's guest /guest.img.
 * - 10.0.2.2 is the loopback of the machine outside, 127.0.0.1 L1's own.
 * - /tmp and /run are in memory and end with it.
 *
 * When the process that booted it ends, L1 detects it and powers off.
 */
export type L1 = {
  /** From start to the first answer. */
  readonly bootMs: number;
  /** The last lines of the console. */
  readonly console: readonly string[];
  /** Starts a program and returns while it runs. */
  spawn(argv: readonly string[], options: SpawnOptions): Promise<L1Process>;
  /** Runs a program to its end; a non-zero exit is a result, not an error. */
  run(argv: readonly string[], options: SpawnOptions): Promise<L1RunResult>;
  readFile(path: string): Promise<string>;
  /** Writes a file, or a node of sysfs. */
  writeFile(path: string, text: string): Promise<void>;
  /** Powers L1 off, by force after 10 s. Safe to call again. */
  stop(): Promise<void>;
};

export type L1RunResult = {
  /** Null when a signal ended it, such as the deadline's SIGKILL. */
  exitCode: number | null;
  stdout: string;
  stderr: string;
};

/**
 * Boots L1 and waits until it takes commands.
 *
 * @throws Error when it does not answer in time; the message ends with the console's last lines.
 * @example
 * const l1 = await bootL1({ rig: await buildRig() });
 * const { stdout } = await l1.run(["uname", "-r"], { deadlineMs: 5_000 });
 * await l1.stop();
 */
export async function bootL1(options: L1Options): Promise<L1> {
  const startedMs = performance.now();
  const folder = await mkdtemp(path.join(os.tmpdir(), "switchyard-l1-"));
  const socketPath = path.join(folder, "control");
  const server = createServer();
  const lines: string[] = [];
  let qemu: ChildProcess | undefined;
  const destroy = async (graceMs: number) => {
    if (qemu !== undefined) await exitOf(qemu, graceMs);
    server.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await listen(server, socketPath);
    const deadline = AbortSignal.timeout(options.bootDeadlineMs ?? 60_000);
    const connected = connection(server, deadline);
    qemu = startQemu(options, socketPath);
    keepLines(qemu, lines, options.onConsole);
    const exited = exitFailure(qemu);
    const channel = new L1Channel(await Promise.race([connected, exited]));
    await Promise.race([channel.ready(deadline), exited]);
    const bootMs = performance.now() - startedMs;
    return handle({ channel, bootMs, lines, destroy });
  } catch (cause) {
    await destroy(0);
    throw new Error(`Failed to boot L1; its console ended: ${lines.slice(-8).join(" | ")}`, {
      cause,
    });
  }
}

function handle(machine: {
  channel: L1Channel;
  bootMs: number;
  lines: readonly string[];
  destroy: (graceMs: number) => Promise<void>;
}): L1 {
  const { channel, bootMs, lines } = machine;
  let stopped: Promise<void> | undefined;
  return {
    bootMs,
    console: lines,
    spawn: (argv, options) => channel.spawn(argv, options),
    run: async (argv, options) => {
      const process = await channel.spawn(argv, options);
      const exitCode = await process.exited;
      return { exitCode, stdout: process.stdout(), stderr: process.stderr() };
    },
    readFile: (path) => channel.read(path),
    writeFile: (path, text) => channel.write(path, text),
    stop: () => {
      stopped ??= (async () => {
        channel.stop();
        await machine.destroy(STOP_DEADLINE_MS);
        channel.close();
      })();
      return stopped;
    },
  };
}

function startQemu(options: L1Options, socketPath: string): ChildProcess {
  const node = path.join(PROJECT_DIR, "node_modules/node/bin/node");
  if (!existsSync(node)) throw new Error(`Failed to find Node for L1: no ${node}`);
  const forwards = (options.forwards ?? []).map(
    ({ hostPort, guestPort }) => `,hostfwd=tcp:127.0.0.1:${hostPort}-10.0.2.15:${guestPort}`,
  );
  const program = process.env.SWITCHYARD_L1_QEMU ?? "qemu-system-x86_64";
  const args = [
    ["-accel", "tcg,thread=multi", "-cpu", CPU, "-machine", "q35"],
    ["-smp", `${options.cpus ?? 2}`, "-m", `${options.memoryMiB ?? 2048}`],
    ["-nodefaults", "-display", "none", "-no-reboot"],
    ["-kernel", options.rig.kernel, "-initrd", options.rig.initrd],
    ["-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"],
    ["-serial", "stdio"],
    ["-device", "virtio-serial-pci", "-chardev", `socket,id=control,path=${socketPath}`],
    ["-device", "virtserialport,chardev=control"],
    ["-netdev", `user,id=net${forwards.join("")}`],
    ["-device", "virtio-net-pci,netdev=net,romfile="],
    sharedFolder("project", PROJECT_DIR),
    options.rig.packages === undefined ? [] : sharedFolder("packages", options.rig.packages),
    options.devices ?? [],
  ].flat();
  return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
}

function sharedFolder(tag: string, folder: string): string[] {
  return [
    "-fsdev",
    `local,id=${tag},path=${folder},security_model=none,readonly=on`,
    "-device",
    `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
  ];
}

function keepLines(
  qemu: ChildProcess,
  lines: string[],
  onLine: ((line: string) => void) | undefined,
): void {
  for (const input of [qemu.stdout, qemu.stderr]) {
    if (input === null) continue;
    createInterface({ input }).on("line", (line) => {
      if (lines.push(line) > CONSOLE_LINES_MAX) lines.shift();
      onLine?.(line);
    });
  }
}

async function listen(server: Server, socketPath: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(socketPath, resolve);
  });
}

async function connection(server: Server, deadline: AbortSignal): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    server.once("connection", resolve);
    deadline.addEventListener("abort", () => reject(deadline.reason));
  });
}

async function exitFailure(qemu: ChildProcess): Promise<never> {
  return await new Promise((_, reject) => {
    qemu.once("error", reject);
    qemu.once("exit", (code, signal) => {
      reject(new Error(`Expected L1 to run, its QEMU ended with ${signal ?? code}`));
    });
  });
}

async function exitOf(qemu: ChildProcess, graceMs: number): Promise<void> {
  if (qemu.pid === undefined || qemu.exitCode !== null || qemu.signalCode !== null) return;
  const kill = setTimeout(() => qemu.kill("SIGKILL"), graceMs);
  await new Promise((resolve) => qemu.once("exit", resolve));
  clearTimeout(kill);
}
