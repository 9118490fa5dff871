import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Log } from "../runtime/log.ts";
import { isAlive, sendSignal } from "../runtime/process.ts";
import { type Exited, ExitedGuests } from "./exited.ts";
import { Guest } from "./guest.ts";
import {
  hasManifest,
  listManifests,
  type Manifest,
  readManifests,
  removeGuestFolder,
} from "./manifest.ts";
import { MigrationMemory } from "./migration-memory.ts";
import { PrestartedTargets } from "./prestarted.ts";
import type { ExitCauses, RunStateChange } from "./run-state.ts";
import { finishStarts } from "./starting.ts";
import { removeStrayTaps } from "./taps.ts";
import { removeUnusedImages } from "./unused-images.ts";

/** One side of a migration of a guest, for as long as this process of the agent follows it. */
export type Migrating = {
  /** The handover link of this side is connected. */
  readonly linkUp: boolean;
  /** Replaces no process from now on. Resolves when a replacement that is under way has ended. */
  settle?(): Promise<void>;
  /** Stops following the migration; QEMU goes on with it. */
  close(): void;
};

/** A process has ended by itself. `detail`: what it wrote last. */
type OnExit = (vm: VmId, detail: string, causes: ExitCauses) => void;
type OnRunState = (vm: VmId, change: RunStateChange) => void;

/** A target that an earlier run of the agent started and did not prepare: it holds nothing. */
function isUnusedTarget({ permittedToRun, migration }: Manifest): boolean {
  return !permittedToRun && migration === undefined;
}

/** The guests of this host: one QEMU process per VM, and the migration it is in. */
export class Guests {
  readonly #runDir: string;
  readonly #log: Log;
  readonly #onExit: OnExit;
  readonly #onRunState: OnRunState;
  readonly #guests = new Map<VmId, Guest>();
  readonly #migrating = new Map<VmId, Migrating>();
  /** Guests that are being ended on purpose: their exit is not reported. */
  readonly #ending = new Set<Guest>();
  readonly #exited: ExitedGuests;
  /** Of the migrations that this host took part in. */
  readonly memory: MigrationMemory;
  /** QEMUs that no migration has taken yet; none of them counts as a VM's process. */
  readonly prestarted: PrestartedTargets;

  constructor(options: {
    runDir: string;
    stateDir: string;
    log: Log;
    onExit: OnExit;
    onRunState?: OnRunState;
  }) {
    this.#runDir = options.runDir;
    this.#log = options.log;
    this.#onExit = options.onExit;
    this.#onRunState = options.onRunState ?? (() => undefined);
    this.#exited = new ExitedGuests(options.stateDir, options.log);
    this.memory = new MigrationMemory(options.stateDir, options.log);
    this.prestarted = new PrestartedTargets(options.log);
  }

  get runDir(): string {
    return this.#runDir;
  }

  /** Reattaches the guests that run here after a restart, and reports those that have exited. */
  async reattach(): Promise<Guest[]> {
    finishStarts(this.#runDir, (folder, error) =>
      this.#log.error(
        { error, folder },
        "an interrupted start of a guest cannot be finished: its folder stays as it is",
      ),
    );
    const found = readManifests(this.#runDir, (folder, error) =>
      this.#log.error(
        { error, folder },
        "a guest's manifest cannot be read: its folder and process stay as they are",
      ),
    );
    const alive = found.filter(({ folder, manifest }) => {
      if (isAlive(manifest)) return true;
      this.#recordExit(folder, manifest);
      return false;
    });
    const reattached = await Promise.all(
      alive.map(({ folder, manifest }) => Guest.reattach(folder, manifest)),
    );
    const guests = reattached.filter(({ manifest }) => !isUnusedTarget(manifest));
    for (const guest of guests) this.add(guest);
    await this.#endUnused(reattached.filter(({ manifest }) => isUnusedTarget(manifest)));
    const folders = found.map(({ folder }) => folder).filter((folder) => hasManifest(folder));
    await removeStrayTaps(this.#runDir, folders).catch((error: unknown) =>
      this.#log.error({ error }, "taps of guests that have exited could not be removed"),
    );
    return guests;
  }

  add(guest: Guest): void {
    this.#exited.remove(guest.vm);
    this.#guests.set(guest.vm, guest);
    guest.onFacts((manifest, error) => {
      if (error !== undefined) this.#log.error({ error, vm: guest.vm }, "facts are unwritten");
      this.memory.record(manifest);
    });
    guest.runState.onChange((change) => {
      if (change.runState === "running") this.#joinNetwork(guest);
      this.#onRunState(guest.vm, change);
    });
    void guest.runState.refresh();
    void guest.ended.then(() => this.#onEnded(guest));
  }

  find(vm: VmId): Guest | undefined {
    return this.#guests.get(vm);
  }

  /** @throws CommandRefusedError `not-found` when the VM has no process here */
  get(vm: VmId): Guest {
    const guest = this.#guests.get(vm);
    if (guest) return guest;
    throw new CommandRefusedError(
      "not-found",
      `This host has no guest ${vm}: see where the control plane has it`,
    );
  }

  /** The VM has a process here, or a manifest that cannot be read. */
  isPresent(vm: VmId): boolean {
    if (this.#guests.has(vm)) return true;
    return !this.prestarted.has(vm) && hasManifest(join(this.#runDir, vm));
  }

  /** VMs that have a process here, or a manifest that cannot be read. */
  get present(): VmId[] {
    return [...new Set([...this.#guests.keys(), ...listManifests(this.#runDir)])];
  }

  /** The VM's last process on this host, if that has ended. */
  exited(vm: VmId): Exited | undefined {
    return this.#exited.get(vm);
  }

  migrating(vm: VmId): Migrating | undefined {
    return this.#migrating.get(vm);
  }

  setMigrating(vm: VmId, migrating: Migrating | undefined): void {
    const before = this.#migrating.get(vm);
    if (before !== migrating) before?.close();
    if (migrating) this.#migrating.set(vm, migrating);
    else this.#migrating.delete(vm);
  }

  /**
   * Ends a guest's process without reporting its exit. `first` may make the process end by itself.
   *
   * @throws what `first` throws, and CommandRefusedError when the process cannot be ended: then the
   *   guest stays among the guests
   */
  async end(guest: Guest, first?: () => Promise<void>): Promise<void> {
    this.#ending.add(guest);
    try {
      await first?.();
      await guest.end();
    } catch (error) {
      this.#ending.delete(guest);
      // It may have ended nevertheless.
      if (!guest.isAlive) void this.#onEnded(guest);
      throw error;
    }
    this.#remove(guest);
    this.#ending.delete(guest);
  }

  /**
   * Kills a guest's process, which must never have run the guest, and starts another one in its
   * place. The migration that the guest is in goes on.
   *
   * @throws what `start` throws, and CommandRefusedError: then the VM has no process here
   */
  async replace(guest: Guest, start: () => Promise<Guest>): Promise<Guest> {
    const { vm } = guest;
    this.#ending.add(guest);
    try {
      sendSignal(guest.manifest, "SIGKILL");
      await guest.end();
      const next = await start();
      if (this.#guests.get(vm) === guest) {
        this.add(next);
        return next;
      }
      await next.end();
      throw new CommandRefusedError("refused", `The guest ${vm} was ended while it was replaced`);
    } catch (error) {
      this.#ending.delete(guest);
      if (!guest.isAlive) void this.#onEnded(guest);
      throw error;
    } finally {
      this.#ending.delete(guest);
    }
  }

  get all(): Guest[] {
    return [...this.#guests.values()];
  }

  /** The processes of this host's guests. */
  get own(): { readonly vm: VmId; readonly pid: number }[] {
    return this.all.map(({ vm, manifest: { pid } }) => ({ vm, pid }));
  }

  /** How many guests of this host are in a migration. */
  get migratingCount(): number {
    return this.#migrating.size;
  }

  /** A guest of this host is in a migration. */
  get isMigrating(): boolean {
    return this.#migrating.size > 0;
  }

  /** Memory given to guests, bytes. */
  get memoryBytes(): number {
    let sum = 0;
    for (const guest of this.#guests.values()) sum += guest.manifest.definition.memoryBytes;
    return sum;
  }

  /** Removes a guest whose adoption has failed; its process goes on running. */
  async detach(guest: Guest): Promise<void> {
    this.setMigrating(guest.vm, undefined);
    this.#guests.delete(guest.vm);
    await guest.forget();
  }

  /** Gives up a guest, whose process runs on with its monitor. @throws the file system's error */
  async release(guest: Guest): Promise<void> {
    this.setMigrating(guest.vm, undefined);
    this.#guests.delete(guest.vm);
    await guest.release();
  }

  /** Detaches all guests; they go on running. */
  async close(): Promise<void> {
    for (const migrating of this.#migrating.values()) migrating.close();
    this.#migrating.clear();
    await this.prestarted.close();
    const guests = [...this.#guests.values()];
    this.#guests.clear();
    await Promise.all(guests.map((guest) => guest.detach()));
    this.#exited.close();
    this.memory.close();
  }

  async #endUnused(targets: Guest[]): Promise<void> {
    for (const target of targets) {
      await target.end().catch((error: unknown) => {
        this.#log.error(
          { error, vm: target.vm },
          "a target that was never used could not be ended",
        );
      });
    }
  }

  #joinNetwork(guest: Guest): void {
    guest
      .joinNetwork()
      .catch((error: unknown) =>
        this.#log.error({ error, vm: guest.vm }, "the guest may run without its network"),
      );
  }

  async #onEnded(guest: Guest): Promise<void> {
    if (this.#guests.get(guest.vm) !== guest || this.#ending.has(guest)) return;
    const detail = guest.lastOutput();
    // The migration reports first, and needs the folder for that.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#guests.get(guest.vm) !== guest || this.#ending.has(guest)) return;
    this.#remove(guest);
    await guest
      .forget()
      .catch((error: unknown) =>
        this.#log.error(
          { error, vm: guest.vm },
          "the folder of a guest that has exited could not be removed",
        ),
      );
    this.#onExit(guest.vm, detail, guest.runState.exitCauses);
  }

  #remove(guest: Guest): void {
    this.setMigrating(guest.vm, undefined);
    this.#exited.add(guest.manifest);
    this.#guests.delete(guest.vm);
  }

  #recordExit(folder: string, manifest: Manifest): void {
    this.#exited.add(manifest);
    removeUnusedImages(manifest);
    removeGuestFolder(folder);
    this.#onExit(manifest.vm, "its QEMU ended while the agent was not running", {});
  }
}
