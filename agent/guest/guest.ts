import { statSync } from "node:fs";
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
import {
  flushManifest,
  type Manifest,
  removeGuestFolder,
  removeManifest,
  removeRunGrant,
  removeSaidCompleted,
  writeManifest,
  writeRunGrant,
  writeSaidCompleted,
} from "./manifest.ts";
import { Monitor } from "./monitor.ts";
import { probeQemu } from "./qemu-probe.ts";
import { RunStateFollower } from "./run-state.ts";
import { readTail, type SpawnOptions, spawnGuest } from "./spawn.ts";
import { raiseTaps, removeTaps, tapNames } from "./taps.ts";
import { removeUnusedImages } from "./unused-images.ts";

/** QEMU must end within this time after `quit`, and again after each signal. */
const QUIT_MS = 5_000;

/** QEMU's defaults (net/announce.c): five, the last one 1.3 s after the first; ms but for `rounds`. */
const ANNOUNCEMENTS = { initial: 50, max: 550, rounds: 5, step: 100 };

/** `unwritten`: why the manifest could not be written. */
type FactsListener = (manifest: Manifest, unwritten?: unknown) => void;

/** One QEMU process that the agent controls, and the QMP session with it. */
export class Guest {
  readonly folder: string;
  readonly monitor: Monitor;
  readonly runState: RunStateFollower;
  #manifest: Manifest;
  #probe: Promise<QemuProbe> | undefined;
  #binary: string | undefined;
  #forgotten = false;
  #isBeingEnded = false;
  #onFacts: FactsListener = () => undefined;

  private constructor(folder: string, monitor: Monitor, manifest: Manifest) {
    this.folder = folder;
    this.monitor = monitor;
    this.runState = new RunStateFollower(monitor);
    this.#manifest = manifest;
  }

  /**
   * Starts QEMU as a process that outlives the agent.
   *
   * @throws CommandRefusedError `qemu` with QEMU's last output; then nothing of it is left
   */
  static async start(options: SpawnOptions & { probe?: QemuProbe }): Promise<Guest> {
    const { folder, manifest, qmp } = await spawnGuest(options);
    const guest = new Guest(folder, new Monitor(manifest, qmp), manifest);
    // Its binary was probed before, in a process without a guest.
    if (options.probe) {
      guest.#probe = Promise.resolve(options.probe);
      guest.#binary = options.probe.binary;
    }
    return guest;
  }

  /** Adopts a QEMU that the agent did not start. @throws Error: then the QEMU is unchanged */
  static async adopt(options: {
    vm: VmId;
    definition: VmDefinition;
    qmpPath: string;
    runDir: string;
  }): Promise<Guest> {
    const { vm, definition, qmpPath, runDir } = options;
    const folder = join(runDir, vm);
    const identity = identify(listenerPid(qmpPath));
    const facts = { permittedToRun: true, contSent: true, arrived: true };
    const manifest = { vm, adopted: true, ...identity, qmpPath, definition, ...facts };
    const monitor = await Monitor.connect(manifest);
    try {
      writeManifest(folder, manifest);
    } catch (error) {
      await monitor.close();
      throw error;
    }
    return new Guest(folder, monitor, manifest);
  }

  /** Reattaches a process after a restart of the agent, whether its monitor answers or not. */
  static async reattach(folder: string, manifest: Manifest): Promise<Guest> {
    const monitor = await Monitor.connect(manifest).catch(() => new Monitor(manifest, undefined));
    return new Guest(folder, monitor, manifest);
  }

  /** The identity of the file that it was started from in this run of the agent. */
  get binary(): string | undefined {
    return this.#binary;
  }

  get vm(): VmId {
    return this.#manifest.vm;
  }

  get manifest(): Readonly<Manifest> {
    return this.#manifest;
  }

  /** The current session. @throws QmpDisconnectedError when there has been none yet */
  get qmp(): QmpClient {
    return this.monitor.qmp;
  }

  /** Resolves when the process has ended; never if the guest was detached before. */
  get ended(): Promise<void> {
    return this.monitor.ended;
  }

  get logPath(): string {
    return guestPaths(this.folder).log;
  }

  get isAlive(): boolean {
    return isAlive(this.#manifest);
  }

  /** Calls `listener` when a fact is to be recorded that must survive this process and its folder. */
  onFacts(listener: FactsListener): void {
    this.#onFacts = listener;
  }

  /**
   * Gives the run grant: the guest may run in this process from now on. It survives the death of the
   * agent before this returns; a power failure only after {@link noteArrived}, outside the downtime.
   *
   * @throws the file system's error: then the guest must not run
   */
  noteRunGrant(): void {
    if (!this.#forgotten) writeRunGrant(this.folder);
    const { runRefused: _, ...rest } = this.#manifest;
    this.#manifest = { ...rest, permittedToRun: true };
  }

  /** `cont` is sent now. The run grant on the disk implies it. */
  noteContSent(): void {
    this.#manifest = { ...this.#manifest, contSent: true };
  }

  /**
   * Takes the run grant back, because QEMU answered `cont` with an error: the guest has not run. It
   * survives a power failure before this returns.
   *
   * @param message QEMU's words; they are reported until the next run grant
   * @throws the file system's error: then the run grant still counts
   */
  revokeRunGrant(message = ""): void {
    const facts = { permittedToRun: false, contSent: false, runRefused: message.slice(0, 4_000) };
    const next = { ...this.#manifest, ...facts };
    if (!this.#forgotten) {
      writeManifest(this.folder, next, { flush: true });
      removeRunGrant(this.folder);
    }
    this.#manifest = next;
    this.#onFacts(next);
  }

  /**
   * Records that the guest was seen in this process in the run state that it should have. It counts
   * at once, also when it cannot be written; it is flushed without blocking the agent.
   */
  noteArrived(atMs: number): void {
    void this.runState.refresh();
    const facts = { permittedToRun: true, arrived: true, arrivedAtMs: atMs };
    this.#manifest = { ...this.#manifest, ...facts };
    this.#recordFacts();
  }

  /**
   * Source, before "completed" is sent over the handover link. As durable as a run grant. It counts at
   * once, also when it cannot be written.
   *
   * @throws the file system's error: the next `note` writes it
   */
  noteSaidCompleted(atMs: number): void {
    const { migration } = this.#manifest;
    if (migration === undefined || migration.saidCompletedAtMs !== undefined) return;
    this.#manifest = { ...this.#manifest, migration: { ...migration, saidCompletedAtMs: atMs } };
    if (!this.#forgotten) writeSaidCompleted(this.folder);
  }

  /** Source: the target's agent answered that the guest has arrived. As durable as an arrival. */
  noteHandedOver(atMs: number): void {
    const { migration } = this.#manifest;
    if (migration === undefined) return;
    const handedOver = { saidCompletedAtMs: atMs, ...migration, handedOverAtMs: atMs };
    this.#manifest = { ...this.#manifest, migration: handedOver };
    this.#recordFacts();
  }

  /** Source: the guest is its own again after the switchover. As durable as an arrival. */
  noteReturned(atMs: number): void {
    const { migration } = this.#manifest;
    if (migration === undefined) return;
    this.#manifest = { ...this.#manifest, migration: { ...migration, returnedAtMs: atMs } };
    this.#recordFacts();
  }

  #recordFacts(): void {
    let unwritten: unknown;
    try {
      this.note({});
      // The folder may be removed meanwhile: then the process has ended.
      if (!this.#forgotten) flushManifest(this.folder).catch(() => undefined);
    } catch (error) {
      unwritten = error;
    }
    this.#onFacts(this.#manifest, unwritten);
  }

  /**
   * Records a change before it is acted on. The record is durable before it returns.
   *
   * @throws the file system's error: then the change must not be made
   */
  note(change: Partial<Pick<Manifest, "migration" | "definition">>): void {
    const next = { ...this.#manifest, ...change };
    if (!this.#forgotten) {
      const isNew = next.migration?.id !== this.#manifest.migration?.id;
      if (isNew) removeSaidCompleted(this.folder);
      writeManifest(this.folder, next);
    }
    this.#manifest = next;
  }

  /**
   * Records what has already happened. It counts at once, also when it cannot be written.
   *
   * @throws the file system's error: the next `note` writes the change
   */
  remember(change: Partial<Pick<Manifest, "migration">>): void {
    this.#manifest = { ...this.#manifest, ...change };
    this.note({});
  }

  /** What this process can do; its binary may have been replaced since it started. */
  probe(): Promise<QemuProbe> {
    this.#probe ??= probeQemu(this.qmp, `pid:${this.#manifest.pid}`);
    this.#probe.catch(() => {
      this.#probe = undefined;
    });
    return this.#probe;
  }

  /**
   * Ends the process: by `quit`, then, if the agent started it, by SIGTERM and SIGKILL. The caller
   * makes sure that it is not the only running copy of its guest.
   *
   * @throws CommandRefusedError `qemu` when the process does not end
   */
  async end(): Promise<void> {
    this.#isBeingEnded = true;
    try {
      await this.#end();
    } catch (error) {
      this.#isBeingEnded = false;
      throw error;
    }
    await this.forget();
  }

  /** The agent is ending the process, or has ended it: its exit is nobody's failure. */
  get isBeingEnded(): boolean {
    return this.#isBeingEnded;
  }

  async #end(): Promise<void> {
    const identity: ProcessIdentity = this.#manifest;
    this.#quit().catch(() => undefined);
    let ended = await waitForEnd(identity, QUIT_MS);
    if (!ended && this.#manifest.adopted) {
      throw new CommandRefusedError(
        "qemu",
        `The adopted QEMU of ${this.vm}, process ${identity.pid}, has not ended ${QUIT_MS} ms after \`quit\`: end it yourself, since the agent kills no process that it has not started`,
      );
    }
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (ended) break;
      sendSignal(identity, signal);
      ended = await waitForEnd(identity, QUIT_MS);
    }
    if (!ended) {
      throw new CommandRefusedError(
        "qemu",
        `The QEMU of ${this.vm}, process ${identity.pid}, has not ended after SIGKILL: the kernel holds it, see its state in /proc/${identity.pid}/status`,
      );
    }
  }

  async #quit(): Promise<void> {
    await this.qmp.execute("quit", {}, { timeoutMs: QUIT_MS });
  }

  /** Ends the session. The process goes on running and its manifest stays. */
  detach(): Promise<void> {
    return this.monitor.close();
  }

  /**
   * The guest runs here: its taps carry packets from now on, and switches learn where it is. QEMU's own
   * announcements are over, or were sent to a link that was down, when a guest is resumed late.
   *
   * @throws Error in the words of `ip` or of QEMU
   */
  async joinNetwork(): Promise<void> {
    await raiseTaps(this.#taps);
    const { definition, adopted } = this.#manifest;
    if (adopted || (definition.netdevs ?? []).length === 0) return;
    await this.qmp.execute("announce-self", ANNOUNCEMENTS);
  }

  get #taps(): string[] {
    const { definition, adopted } = this.#manifest;
    return adopted ? [] : tapNames(definition, this.folder);
  }

  /** Ends the session and removes its taps and the folder: socket, logs, manifest. */
  async forget(): Promise<void> {
    this.#forgotten = true;
    await this.monitor.close();
    if (!this.isAlive) {
      await removeTaps(this.#taps);
      removeUnusedImages(this.#manifest);
    }
    removeGuestFolder(this.folder);
  }

  /** The agent has made its taps, and removes them when it does not know the guest. */
  get hasTaps(): boolean {
    return this.#taps.length > 0;
  }

  /**
   * Gives up the process, which runs on with its monitor. The folder of one that the agent has started
   * stays, since its sockets are in it.
   */
  async release(): Promise<void> {
    if (this.#manifest.adopted) return this.forget();
    this.#forgotten = true;
    await this.monitor.close();
    removeManifest(this.folder);
  }

  /** The end of what QEMU wrote on stdout and stderr since its last move began, for error messages. */
  lastOutput(): string {
    return readTail(guestPaths(this.folder).output, this.manifest.migration?.outputOffset);
  }

  /** How much QEMU has written on stdout and stderr, bytes. */
  get outputBytes(): number {
    const file = statSync(guestPaths(this.folder).output, { throwIfNoEntry: false });
    return file?.size ?? 0;
  }
}
