import { rmSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { QemuProbe } from "../../core/protocol/probe.ts";
import type { VmDefinition } from "../../core/vm.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import {
  identify,
  isAlive,
  type ProcessIdentity,
  sendSignal,
  waitForEnd,
} from "../runtime/process.ts";
import { guestPaths } from "./arguments.ts";
import { listenerPid } from "./listener.ts";
import { type Manifest, writeManifest, writeRunGrant } from "./manifest.ts";
import { Monitor } from "./monitor.ts";
import { probeQemu } from "./qemu-probe.ts";
import { readTail, type SpawnOptions, spawnGuest } from "./spawn.ts";

/** QEMU must have ended within this after `quit`, then after SIGTERM. */
const QUIT_MS = 5_000;

/** One QEMU process in the agent's care, and the QMP session with it. */
export class Guest {
  readonly folder: string;
  readonly monitor: Monitor;
  /** From spawning QEMU to its QMP being usable, ms; 0 for one that was taken over. */
  readonly startMs: number;
  #manifest: Manifest;
  #probe: Promise<QemuProbe> | undefined;
  #forgotten = false;

  private constructor(folder: string, monitor: Monitor, manifest: Manifest, startMs: number) {
    this.folder = folder;
    this.monitor = monitor;
    this.startMs = startMs;
    this.#manifest = manifest;
  }

  /**
   * Starts QEMU as a process of its own, which outlives the agent.
   *
   * @throws CommandRefusedError `qemu` with QEMU's last words; nothing is left then.
   */
  static async start(options: SpawnOptions & { probe?: QemuProbe }): Promise<Guest> {
    const { folder, manifest, qmp, startMs } = await spawnGuest(options);
    const guest = new Guest(folder, new Monitor(manifest, qmp), manifest, startMs);
    // What its binary can do was asked before, of a process without a guest.
    if (options.probe) guest.#probe = Promise.resolve(options.probe);
    return guest;
  }

  /** Takes over a QEMU that somebody else started. @throws Error: then it is as it was. */
  static async adopt(options: {
    vm: VmId;
    definition: VmDefinition;
    qmpPath: string;
    runDir: string;
  }): Promise<Guest> {
    const { vm, definition, qmpPath, runDir } = options;
    const folder = join(runDir, vm);
    const identity = identify(listenerPid(qmpPath));
    const manifest = { vm, adopted: true, ...identity, qmpPath, definition, everRan: true };
    const monitor = await Monitor.connect(manifest);
    try {
      writeManifest(folder, manifest);
    } catch (error) {
      await monitor.close();
      throw error;
    }
    return new Guest(folder, monitor, manifest, 0);
  }

  /** Takes over a process of an earlier life of the agent, whether its monitor answers or not. */
  static async reattach(folder: string, manifest: Manifest): Promise<Guest> {
    const monitor = await Monitor.connect(manifest).catch(() => new Monitor(manifest, undefined));
    return new Guest(folder, monitor, manifest, 0);
  }

  get vm(): VmId {
    return this.#manifest.vm;
  }

  get manifest(): Readonly<Manifest> {
    return this.#manifest;
  }

  /** The present session. @throws QmpDisconnectedError when there has been none yet. */
  get qmp(): QmpClient {
    return this.monitor.qmp;
  }

  /** Resolves when the process has ended; never when the agent has let go of it before. */
  get ended(): Promise<void> {
    return this.monitor.ended;
  }

  get logPath(): string {
    return guestPaths(this.folder).log;
  }

  get isAlive(): boolean {
    return isAlive(this.#manifest);
  }

  /**
   * The guest may run in this process from now on: durable before it returns.
   *
   * @throws the file system's error: then it may not.
   */
  noteRunGrant(): void {
    if (!this.#forgotten) writeRunGrant(this.folder);
    this.#manifest = { ...this.#manifest, everRan: true };
  }

  /** Durable before it returns. @throws the file system's error: then nothing may be done. */
  note(change: Partial<Pick<Manifest, "migration" | "definition">>): void {
    const next = { ...this.#manifest, ...change };
    if (!this.#forgotten) writeManifest(this.folder, next);
    this.#manifest = next;
  }

  /**
   * What is true whether it can be written down or not: in this life of the agent it counts at once.
   *
   * @throws the file system's error: the next note writes it.
   */
  remember(change: Partial<Pick<Manifest, "migration">>): void {
    this.#manifest = { ...this.#manifest, ...change };
    this.note({});
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
    this.#quit().catch(() => undefined);
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

  async #quit(): Promise<void> {
    await this.qmp.execute("quit", {}, { timeoutMs: QUIT_MS });
  }

  /** Lets go of the process, which runs on; the manifest stays. */
  release(): Promise<void> {
    return this.monitor.close();
  }

  /** After the end of the process: no socket, no log, no manifest is left. */
  async forget(): Promise<void> {
    this.#forgotten = true;
    await this.monitor.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The last words of QEMU, for error messages. */
  lastWords(): string {
    return readTail(guestPaths(this.folder).output);
  }
}
