import { isDeepStrictEqual } from "node:util";
import type { MigrationId, VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";
import type { Log } from "../runtime/log.ts";
import type { Guest } from "./guest.ts";

/** A migration prepares its target within this time after the probe, or a new QEMU is started then. */
const KEPT_MS = 30_000;

type Wanted = { readonly migrationId: MigrationId; readonly definition: VmDefinition };
type Entry = Wanted & {
  readonly target: Promise<Guest | undefined>;
  readonly timer: NodeJS.Timeout;
  readonly onEnd: () => void;
  /** Its QEMU is being ended: nobody may take it, although it still lives. */
  ended?: Promise<void>;
};

/**
 * Targets' QEMUs that are started while their migrations negotiate: paused, and with nothing of a guest
 * in them. One that its migration does not take is ended; after a crash of the agent, by the next one.
 */
export class PrestartedTargets {
  readonly #entries = new Map<VmId, Entry>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  has(vm: VmId): boolean {
    return this.#entries.has(vm);
  }

  /**
   * Starts one, which nobody has to wait for: a failure is left to the start that follows.
   *
   * @param onEnd called when it is ended without having been taken
   * @returns the start; undefined: there is one already
   */
  start(
    vm: VmId,
    wanted: Wanted,
    start: () => Promise<Guest>,
    onEnd: () => void = () => undefined,
  ): Promise<Guest> | undefined {
    if (this.#entries.has(vm)) return undefined;
    const started = start();
    const target = started.catch((error: unknown) => {
      this.#log.info({ error, vm }, "the target's QEMU could not be started ahead");
      return undefined;
    });
    const timer = setTimeout(() => void this.discard(vm), KEPT_MS);
    this.#entries.set(vm, { ...wanted, target, timer, onEnd });
    return started;
  }

  /** The VM's QEMU if it is what is wanted; any other one is ended. */
  async take(vm: VmId, { migrationId, definition }: Wanted): Promise<Guest | undefined> {
    const entry = this.#entries.get(vm);
    const isWanted =
      entry?.ended === undefined &&
      entry?.migrationId === migrationId &&
      isDeepStrictEqual(entry.definition, definition);
    if (entry === undefined || !isWanted) {
      await this.discard(vm);
      return undefined;
    }
    clearTimeout(entry.timer);
    const target = await entry.target;
    if (target?.isAlive !== true) {
      await this.discard(vm);
      return undefined;
    }
    this.#entries.delete(vm);
    return target;
  }

  /** Ends the VM's QEMU, if there is one. */
  async discard(vm: VmId): Promise<void> {
    const entry = this.#entries.get(vm);
    if (entry === undefined) return;
    entry.ended ??= this.#end(vm, entry);
    await entry.ended;
  }

  async #end(vm: VmId, entry: Entry): Promise<void> {
    clearTimeout(entry.timer);
    entry.onEnd();
    const target = await entry.target;
    // It was taken while it was being started.
    if (this.#entries.get(vm) !== entry) return;
    await target?.end().catch((error: unknown) => {
      this.#log.error({ error, vm }, "a target's QEMU that nobody needs could not be ended");
    });
    this.#entries.delete(vm);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((vm) => this.discard(vm)));
  }
}
