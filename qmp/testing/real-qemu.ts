import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, existsSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { QmpClient } from "../client.ts";
import type { QmpConnectOptions } from "../client-options.ts";

export type SpawnQemuOptions = {
  /** Default: `findQemu()`. */
  readonly binary?: string;
  /** Added to `-nodefaults -display none -accel tcg -m 32` and the monitor. */
  readonly args?: readonly string[];
  readonly connect?: QmpConnectOptions;
};

export type RealQemu = {
  readonly client: QmpClient;
  readonly pid: number;
  /** Holds `qmp.sock` and what the test puts there; removed by `close()`. */
  readonly dir: string;
  readonly socketPath: string;
  /** Resolves when the process has exited. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** The last 64 KiB of standard error. */
  stderr(): string;
  /** Sends a signal, e.g. SIGSTOP; false if the process has exited. */
  kill(signal: NodeJS.Signals): boolean;
  /** Kills the process, waits for it, removes the directory. May be called again. */
  close(): Promise<void>;
};

/** util-linux: the kernel kills a QEMU whose test was killed (PR_SET_PDEATHSIG). */
const TIE = existsSync("/usr/bin/setpriv") ? ["setpriv", "--pdeathsig", "KILL"] : [];

/** $SWITCHYARD_QEMU, else `qemu-system-x86_64` on PATH, else undefined: skip the test. */
export function findQemu(): string | undefined {
  const { SWITCHYARD_QEMU: fromEnvironment, PATH = "" } = process.env;
  if (fromEnvironment) return fromEnvironment;
  return PATH.split(delimiter)
    .map((dir) => join(dir, "qemu-system-x86_64"))
    .find(isExecutable);
}

/** Starts a bare QEMU and connects to it. @throws Error with QEMU's standard error */
export async function spawnQemu(options: SpawnQemuOptions = {}): Promise<RealQemu> {
  const binary = options.binary ?? findQemu();
  if (!binary) throw new Error("Expected qemu-system-x86_64 on PATH or in $SWITCHYARD_QEMU");
  const dir = await mkdtemp(join(tmpdir(), "real-qemu-"));
  const socketPath = join(dir, "qmp.sock");
  const command = [...TIE, binary, ...bareArgs(socketPath), ...(options.args ?? [])];
  const child = spawn("env", command, { stdio: ["ignore", "ignore", "pipe"] });
  const stderr = collect(child);
  const exited = watchExit(child);
  const removeGuard = guard(child, dir);
  const kill = (signal: NodeJS.Signals) => child.kill(signal);
  const cleanUp = async () => {
    kill("SIGKILL");
    await exited;
    await rm(dir, { recursive: true, force: true });
    removeGuard();
  };
  try {
    const client = await connectOrExit(socketPath, exited, options.connect);
    const close = async () => {
      await client.close();
      await cleanUp();
    };
    return { client, pid: child.pid ?? -1, dir, socketPath, exited, stderr, kill, close };
  } catch (cause) {
    await cleanUp();
    throw new Error(`Failed to start ${binary}: ${stderr() || "no output"}`, { cause });
  }
}

function bareArgs(socketPath: string): string[] {
  const machine = ["-nodefaults", "-display", "none", "-accel", "tcg", "-m", "32"];
  return [...machine, "-qmp", `unix:${socketPath},server=on,wait=on`];
}

async function connectOrExit(
  path: string,
  exited: RealQemu["exited"],
  options: QmpConnectOptions = {},
): Promise<QmpClient> {
  const exit = new AbortController();
  void exited.then(({ code, signal }) => exit.abort(new Error(`QEMU exited: ${code ?? signal}`)));
  const signal = options.signal ? AbortSignal.any([options.signal, exit.signal]) : exit.signal;
  return QmpClient.connect({ path }, { connectTimeoutMs: 20_000, ...options, signal });
}

function collect(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text = (text + chunk).slice(-65_536);
  });
  return () => text;
}

function watchExit(child: ChildProcess): RealQemu["exited"] {
  return new Promise((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}

/** For a test that forgot `close()`, or a runner that ends early. */
function guard(child: ChildProcess, dir: string): () => void {
  const onExit = () => {
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  };
  process.once("exit", onExit);
  return () => process.off("exit", onExit);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
