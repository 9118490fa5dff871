import { setTimeout as delay } from "node:timers/promises";
import type { Reading } from "../../../core/twin/reading.ts";
import type { Inspection } from "../../../core/twin/storage.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Resources } from "../../guest/resources.ts";
import type { Twin } from "../../storage/twin.ts";
import { placeholdersOf } from "../../twin/placeholders.ts";
import { readFeatures, readTwin } from "../../twin/read.ts";
import type { InspectRequest } from "../link/handover-protocol.ts";
import type { ReadKind } from "../link/reading.ts";

/** A QEMU that is replaced is there again by then. */
const READ_MS = 10_000;
const AGAIN_MS = 100;

type Target = {
  /** The guest's process, which may be replaced meanwhile. */
  guest(): Guest;
  isReplacing(): boolean;
};

/**
 * Answers what the source's agent asks of the target's machine for the twin check. A process is read
 * once: until it is loaded, nothing changes it.
 */
export class TargetReader {
  readonly #target: Target;
  readonly #resources: Resources;
  readonly #twins = new WeakMap<Guest, Promise<Twin>>();

  /** @param resources what this host has for the placeholders of definitions */
  constructor(target: Target, resources: Resources) {
    this.#target = target;
    this.#resources = resources;
  }

  /** Begins to read, before it is asked. */
  begin(): void {
    this.#readTwin(this.#target.guest()).catch(() => undefined);
  }

  /** @throws Error when there is no process that could be read */
  read(what: ReadKind): Promise<Reading> {
    return this.#ofLiving(async (guest) => {
      return what === "features" ? readFeatures(guest.qmp) : (await this.#readTwin(guest)).reading;
    });
  }

  /** @throws Error when there is no process by way of which files could be inspected */
  inspect({ witness, digests }: InspectRequest): Promise<Inspection[]> {
    return this.#ofLiving(async (guest) =>
      (await this.#readTwin(guest)).files.inspect(witness, digests),
    );
  }

  #readTwin(guest: Guest): Promise<Twin> {
    const known = this.#twins.get(guest);
    if (known) return known;
    const twin = readTwin(guest, placeholdersOf(guest.manifest.definition, this.#resources));
    this.#twins.set(guest, twin);
    twin.catch(() => this.#twins.delete(guest));
    return twin;
  }

  /** A process that is replaced meanwhile has shown nothing: then the next one is read. */
  async #ofLiving<T>(read: (guest: Guest) => Promise<T | undefined>): Promise<T> {
    const deadlineMs = performance.now() + READ_MS;
    for (;;) {
      const guest = this.#target.guest();
      const isStill = () =>
        guest === this.#target.guest() && guest.isAlive && !this.#target.isReplacing();
      try {
        const found = await read(guest);
        if (found !== undefined && isStill()) return found;
      } catch (error) {
        if (isStill()) throw error;
      }
      if (performance.now() > deadlineMs) throw new Error("The target's QEMU has ended");
      await delay(AGAIN_MS);
    }
  }
}
