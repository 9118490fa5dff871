import { rmSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Log } from "../runtime/log.ts";
import { isAlive } from "../runtime/process.ts";
import { Departed } from "./exited.ts";
import { Guest } from "./guest.ts";
import { hasManifest, type Manifest, readManifests } from "./manifest.ts";
import { finishStarts } from "./starting.ts";

/** One side of a migration of a guest, for as long as this process of the agent follows it. */
export type Migrating = {
  /** This end of the handover link is connected. */
  readonly linkUp: boolean;
  /** Stops following the migration; QEMU goes on. */
  close(): void;
};

/** The guests of this host: one QEMU process per VM, and what it is going through. */
export class Guests {
  readonly #runDir: string;
  readonly #log: Log;
  readonly #onExit: (vm: VmId, detail: string) => void;
  readonly #guests = new Map<VmId, Guest>();
  readonly #migrating = new Map<VmId, Migrating>();
  /** Being ended on purpose: that is no event. */
  readonly #ending = new Set<Guest>();
  readonly #departed: Departed;

  constructor(options: {
    runDir: string;
    stateDir: string;
    log: Log;
    onExit: (vm: VmId, detail: string) => void;
  }) {
    this.#runDir = options.runDir;
    this.#log = options.log;
    this.#onExit = options.onExit;
    this.#departed = new Departed(options.stateDir, options.log);
  }

  get runDir(): string {
    return this.#runDir;
  }

  /** Takes over what an earlier life of the agent left running; tells of what ended meanwhile. */
  async reattach(): Promise<Guest[]> {
    finishStarts(this.#runDir, (folder, error) =>
      this.#log.error({ error, folder }, "a guest whose start was cut off is left alone"),
    );
    const found = readManifests(this.#runDir, (folder, error) =>
      this.#log.error({ error, folder }, "a guest's manifest cannot be read: left alone"),
    );
    const alive = found.filter(({ folder, manifest }) => {
      const lives = isAlive(manifest);
      if (!lives) this.#bury(folder, manifest);
      return lives;
    });
    const back = await Promise.all(
      alive.map(({ folder, manifest }) => Guest.reattach(folder, manifest)),
    );
    for (const guest of back) this.add(guest);
    return back;
  }

  add(guest: Guest): void {
    this.#departed.back(guest.vm);
    this.#guests.set(guest.vm, guest);
    void guest.ended.then(() => this.#onEnded(guest));
  }

  find(vm: VmId): Guest | undefined {
    return this.#guests.get(vm);
  }

  /** @throws CommandRefusedError `not-found` */
  get(vm: VmId): Guest {
    const guest = this.#guests.get(vm);
    if (guest) return guest;
    throw new CommandRefusedError("not-found", `No guest ${vm} on this host`);
  }

  /** There is a process for the VM here, or a folder of one that nobody can read. */
  isPresent(vm: VmId): boolean {
    return this.#guests.has(vm) || hasManifest(join(this.#runDir, vm));
  }

  /** What is known of the VM's last process on this host, which has ended. */
  gone(vm: VmId): Manifest | undefined {
    return this.#departed.get(vm);
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
   * Ends a guest's process on purpose: its end is no event. `first` may make it end by itself.
   *
   * @throws what `first` throws, and CommandRefusedError when the process cannot be ended: then it
   *   is in the agent's care as before.
   */
  async end(guest: Guest, first?: () => Promise<void>): Promise<void> {
    this.#ending.add(guest);
    try {
      await first?.();
      await guest.end();
    } catch (error) {
      this.#ending.delete(guest);
      // It may have ended all the same.
      if (!guest.isAlive) void this.#onEnded(guest);
      throw error;
    }
    this.#remove(guest);
    this.#ending.delete(guest);
  }

  /** Memory given to guests, bytes. */
  get memoryBytes(): number {
    let sum = 0;
    for (const guest of this.#guests.values()) sum += guest.manifest.definition.memoryBytes;
    return sum;
  }

  /** Gives a guest back that was adopted in vain; its process runs on. */
  async release(guest: Guest): Promise<void> {
    this.setMigrating(guest.vm, undefined);
    this.#guests.delete(guest.vm);
    await guest.forget();
  }

  /** Lets go of all guests; they run on. */
  async close(): Promise<void> {
    for (const migrating of this.#migrating.values()) migrating.close();
    this.#migrating.clear();
    const guests = [...this.#guests.values()];
    this.#guests.clear();
    await Promise.all(guests.map((guest) => guest.release()));
    this.#departed.close();
  }

  async #onEnded(guest: Guest): Promise<void> {
    if (this.#guests.get(guest.vm) !== guest || this.#ending.has(guest)) return;
    const detail = guest.lastWords();
    // Whoever watches the migration tells first, and needs the folder for it.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#guests.get(guest.vm) !== guest || this.#ending.has(guest)) return;
    this.#remove(guest);
    await guest
      .forget()
      .catch((error: unknown) => this.#log.error({ error, vm: guest.vm }, "folder not removed"));
    this.#onExit(guest.vm, detail);
  }

  #remove(guest: Guest): void {
    this.setMigrating(guest.vm, undefined);
    this.#departed.add(guest.manifest);
    this.#guests.delete(guest.vm);
  }

  #bury(folder: string, manifest: Manifest): void {
    this.#departed.add(manifest);
    rmSync(folder, { recursive: true, force: true });
    this.#onExit(manifest.vm, "its QEMU ended while the agent was away");
  }
}
