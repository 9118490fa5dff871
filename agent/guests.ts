import { rmSync } from "node:fs";
import type { VmId } from "../core/id.ts";
import { CommandRefusedError } from "./command-error.ts";
import { Guest } from "./guest/guest.ts";
import { type Manifest, readManifests } from "./guest/manifest.ts";
import { isAlive } from "./guest/process.ts";
import type { Log } from "./log.ts";
import type { SourceMigration } from "./migrate/source.ts";
import type { TargetMigration } from "./migrate/target.ts";

export type Migrating = SourceMigration | TargetMigration;

/** The guests of this host: one QEMU process per VM, and what it is going through. */
export class Guests {
  readonly #runDir: string;
  readonly #log: Log;
  readonly #onExit: (vm: VmId, detail: string) => void;
  readonly #guests = new Map<VmId, Guest>();
  readonly #migrating = new Map<VmId, Migrating>();
  /** Manifests of processes that have ended unasked: what is known of them is still asked for. */
  readonly #gone = new Map<VmId, Manifest>();

  constructor(options: {
    runDir: string;
    log: Log;
    onExit: (vm: VmId, detail: string) => void;
  }) {
    this.#runDir = options.runDir;
    this.#log = options.log;
    this.#onExit = options.onExit;
  }

  get runDir(): string {
    return this.#runDir;
  }

  /** Takes over what an earlier life of the agent left running; tells of what ended meanwhile. */
  async reattach(): Promise<Guest[]> {
    const found = readManifests(this.#runDir, (folder, error) =>
      this.#log.error({ error, folder }, "a guest's manifest cannot be read: left alone"),
    );
    const back: Guest[] = [];
    for (const { folder, manifest } of found) {
      if (!isAlive(manifest)) {
        this.#buryFolder(folder, manifest);
        continue;
      }
      try {
        const guest = await Guest.reattach(folder, manifest);
        this.add(guest);
        back.push(guest);
      } catch (error) {
        this.#log.error({ error, vm: manifest.vm }, "a running guest's QMP does not answer");
      }
    }
    return back;
  }

  add(guest: Guest): void {
    this.#gone.delete(guest.vm);
    this.#guests.set(guest.vm, guest);
    void guest.ended.then(async (ended) => {
      if (this.#guests.get(guest.vm) !== guest) return;
      if (!ended) {
        this.#log.error({ vm: guest.vm }, "QEMU's monitor is lost, its process lives");
        return;
      }
      this.#gone.set(guest.vm, guest.manifest);
      this.#guests.delete(guest.vm);
      const detail = guest.lastWords();
      // Whoever watches the migration tells first, and needs the folder for it.
      await new Promise((resolve) => setImmediate(resolve));
      await guest.forget();
      this.#onExit(guest.vm, detail);
    });
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

  gone(vm: VmId): Manifest | undefined {
    return this.#gone.get(vm);
  }

  migrating(vm: VmId): Migrating | undefined {
    return this.#migrating.get(vm);
  }

  setMigrating(vm: VmId, migrating: Migrating | undefined): void {
    this.#migrating.get(vm)?.close();
    if (migrating) this.#migrating.set(vm, migrating);
    else this.#migrating.delete(vm);
  }

  /** Ends a guest's process on purpose: its end is no event. */
  async end(guest: Guest): Promise<void> {
    this.setMigrating(guest.vm, undefined);
    await guest.end();
    if (this.#guests.get(guest.vm) === guest) this.#guests.delete(guest.vm);
    this.#gone.set(guest.vm, guest.manifest);
  }

  /** Memory given to guests, bytes. */
  get memoryBytes(): number {
    let sum = 0;
    for (const guest of this.#guests.values()) sum += guest.manifest.definition.memoryBytes;
    return sum;
  }

  /** Lets go of all guests; they run on. */
  async close(): Promise<void> {
    for (const migrating of this.#migrating.values()) migrating.close();
    const guests = [...this.#guests.values()];
    this.#guests.clear();
    await Promise.all(guests.map((guest) => guest.qmp.close()));
  }

  #buryFolder(folder: string, manifest: Manifest): void {
    this.#gone.set(manifest.vm, manifest);
    rmSync(folder, { recursive: true, force: true });
    this.#onExit(manifest.vm, "its QEMU ended while the agent was away");
  }
}
