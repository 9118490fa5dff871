import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { QemuProbe } from "../../core/probe.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command-error.ts";
import { probeQemu } from "../probe/qemu.ts";
import { QmpClient } from "../qmp/client.ts";
import { guestArguments, guestPaths } from "./arguments.ts";
import { listenerPid } from "./listener.ts";
import { type Manifest, writeManifest } from "./manifest.ts";
import { isAlive, type ProcessIdentity, sendSignal, startTicks, waitForEnd } from "./process.ts";

/** QEMU's QMP must answer within this after the start. */
const START_MS = 30_000;
/** QEMU must have ended within this after `quit`, then after SIGTERM. */
const QUIT_MS = 5_000;
/** From the end of the QMP session to the end of the process, when the process is dying. */
const DYING_MS = 2_000;

/** One QEMU process in the agent's care, and the QMP session with it. */
export class Guest {
  readonly folder: string;
  readonly qmp: QmpClient;
  /** From spawning QEMU to its QMP being usable, ms; 0 for one that was taken over. */
  readonly startMs: number;
  /**
   * Resolves when the QMP session is over: true when the process has ended, false when it lives on
   * (the agent let go of it, or its monitor broke).
   */
  readonly ended: Promise<boolean>;
  #manifest: Manifest;
  #probe: Promise<QemuProbe> | undefined;

  private constructor(folder: string, qmp: QmpClient, manifest: Manifest, startMs: number) {
    this.folder = folder;
    this.qmp = qmp;
    this.startMs = startMs;
    this.#manifest = manifest;
    // A dying process closes its sockets a moment before it is gone.
    this.ended = qmp.closed.then((cause) => cause !== undefined && waitForEnd(manifest, DYING_MS));
  }

  /** Starts QEMU as a process of its own, which outlives the agent. */
  static async start(options: {
    vm: VmId;
    definition: VmDefinition;
    qemu: string;
    runDir: string;
    incoming: boolean;
  }): Promise<Guest> {
    const { vm, definition, qemu, runDir, incoming } = options;
    const folder = join(runDir, vm);
    const paths = guestPaths(folder);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const output = openSync(paths.output, "a", 0o600);
    const startedMs = performance.now();
    const child = spawn(qemu, guestArguments({ vm, definition, paths, incoming }), {
      detached: true,
      stdio: ["ignore", output, output],
      cwd: folder,
    });
    closeSync(output);
    const failed = new Promise<never>((_, reject) => {
      child.once("error", (cause) => reject(new Error(`Failed to start ${qemu}`, { cause })));
      child.once("exit", (code, signal) =>
        reject(new Error(`QEMU ended with ${code ?? signal}: ${tail(paths.output)}`)),
      );
    });
    failed.catch(() => undefined);
    child.unref();
    const stopConnecting = new AbortController();
    try {
      const connecting = QmpClient.connect(
        { path: paths.qmp },
        { connectTimeoutMs: START_MS, signal: stopConnecting.signal },
      );
      connecting.catch(() => undefined);
      const qmp = await Promise.race([connecting, failed]);
      const startMs = performance.now() - startedMs;
      const identity = identify(child.pid);
      const qmpPath = paths.qmp;
      const manifest = { vm, adopted: false, ...identity, qmpPath, definition, everRan: !incoming };
      writeManifest(folder, manifest);
      return new Guest(folder, qmp, manifest, startMs);
    } catch (cause) {
      stopConnecting.abort();
      child.kill("SIGKILL");
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new CommandRefusedError("qemu", `Failed to start the guest ${vm}: ${message}`, {
        cause,
      });
    }
  }

  /** Takes over a QEMU that somebody else started. */
  static async adopt(options: {
    vm: VmId;
    definition: VmDefinition;
    qmpPath: string;
    runDir: string;
  }): Promise<Guest> {
    const { vm, definition, qmpPath, runDir } = options;
    const folder = join(runDir, vm);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const qmp = await QmpClient.connect({ path: qmpPath }, { retry: false });
    const identity = identify(listenerPid(qmpPath));
    const manifest = { vm, adopted: true, ...identity, qmpPath, definition, everRan: true };
    writeManifest(folder, manifest);
    return new Guest(folder, qmp, manifest, 0);
  }

  /** Connects again to a process of an earlier life of the agent. */
  static async reattach(folder: string, manifest: Manifest): Promise<Guest> {
    const qmp = await QmpClient.connect({ path: manifest.qmpPath }, { connectTimeoutMs: 5_000 });
    return new Guest(folder, qmp, manifest, 0);
  }

  get vm(): VmId {
    return this.#manifest.vm;
  }

  get manifest(): Readonly<Manifest> {
    return this.#manifest;
  }

  get logPath(): string {
    return guestPaths(this.folder).log;
  }

  get isAlive(): boolean {
    return isAlive(this.#manifest);
  }

  /** Durable before it returns. @throws the file system's error: then nothing may be done. */
  note(change: Partial<Pick<Manifest, "everRan" | "migration" | "definition">>): void {
    const next = { ...this.#manifest, ...change };
    writeManifest(this.folder, next);
    this.#manifest = next;
  }

  /** What this very process can do (its binary may have been replaced since it started). */
  probe(): Promise<QemuProbe> {
    this.#probe ??= probeQemu(this.qmp, `pid:${this.#manifest.pid}`);
    this.#probe.catch(() => {
      this.#probe = undefined;
    });
    return this.#probe;
  }

  /**
   * Ends the process: `quit`, then, if the agent started it, SIGTERM and SIGKILL. The caller has made
   * sure that it is not the only running copy of its guest.
   */
  async end(): Promise<void> {
    const identity: ProcessIdentity = this.#manifest;
    await this.qmp.execute("quit", {}, { timeoutMs: QUIT_MS }).catch(() => undefined);
    let ended = await waitForEnd(identity, QUIT_MS);
    if (!ended && this.#manifest.adopted) {
      throw new CommandRefusedError("qemu", `The adopted QEMU ${identity.pid} did not quit`);
    }
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (ended) break;
      sendSignal(identity, signal);
      ended = await waitForEnd(identity, QUIT_MS);
    }
    if (!ended) throw new CommandRefusedError("qemu", `QEMU ${identity.pid} cannot be ended`);
    await this.forget();
  }

  /** After the end of the process: no socket, no log, no manifest is left. */
  async forget(): Promise<void> {
    await this.qmp.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The last words of QEMU, for error messages. */
  lastWords(): string {
    return tail(guestPaths(this.folder).output);
  }
}

function identify(pid: number | undefined): ProcessIdentity {
  const ticks = pid === undefined ? undefined : startTicks(pid);
  if (pid === undefined || ticks === undefined) throw new Error("The QEMU process has ended");
  return { pid, startTicks: ticks };
}

function tail(path: string, bytes = 2_000): string {
  try {
    return readFileSync(path, "utf8").slice(-bytes).trim();
  } catch {
    return "";
  }
}
