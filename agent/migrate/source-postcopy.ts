import { setTimeout as delay } from "node:timers/promises";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Word } from "../guest/emit.ts";
import type { Guest } from "../guest/guest.ts";

/** A new connection, and both ends agreeing on what is missing, take milliseconds. */
const RECOVER_MS = 20_000;
const ASK_MS = 100;
/** Up to 10.2 the status stays, or comes back to, paused for a moment. */
const PAUSED_MS_MAX = 3_000;

type Memory = { active: boolean; pauses: number; paused: boolean };

/**
 * Postcopy as the source sees it: from its start the guest runs on the target, and what it has not
 * got yet is still here. Neither end alone has the whole guest, so nothing is ever cancelled or
 * resumed from then on; a cut connection pauses both ends until a new one brings them together.
 */
export class SourcePostcopy {
  readonly #guest: Guest;
  readonly #tell: (word: Word, atMs?: number) => void;
  #recovering = false;

  constructor(guest: Guest, tell: (word: Word, atMs?: number) => void) {
    this.#guest = guest;
    this.#tell = tell;
  }

  /** It was asked for: QEMU begins it when it can. */
  get isBegun(): boolean {
    return this.#memory !== undefined;
  }

  get #memory(): Memory | undefined {
    return this.#guest.manifest.migration?.postcopy;
  }

  /** QEMU says, or is seen to have, a status. True the first time that postcopy is active. */
  onStatus(status: string, atMs = Date.now()): boolean {
    const memory = this.#memory ?? { active: false, pauses: 0, paused: false };
    if (status === "postcopy-active") return this.#onActive(memory, atMs);
    if (status === "postcopy-paused" && !this.#recovering) this.#onPaused(memory, atMs);
    return false;
  }

  /**
   * Goes on over a new connection.
   *
   * @param uri where the target listens now; null when it says that nothing is broken
   * @throws CommandRefusedError when both ends do not come together within 20 s; it may be tried again
   */
  async recover(uri: string | null): Promise<string> {
    const { qmp } = this.#guest;
    const { status = "none" } = await qmp.execute("query-migrate");
    if (status === "postcopy-active" || status === "completed") return status;
    if (status !== "postcopy-paused" || uri === null) {
      throw new CommandRefusedError("refused", `There is nothing to recover here (${status})`);
    }
    this.#recovering = true;
    try {
      await qmp.execute("migrate", { uri, resume: true });
      return await this.#untilActive();
    } finally {
      this.#recovering = false;
    }
  }

  async #untilActive(): Promise<string> {
    const startedAt = performance.now();
    for (;;) {
      const { status = "none", ...info } = await this.#guest.qmp.execute("query-migrate");
      const forMs = performance.now() - startedAt;
      if (status === "postcopy-active" || status === "completed") {
        this.onStatus("postcopy-active");
        return status;
      }
      const isBack = status === "postcopy-paused" && forMs > PAUSED_MS_MAX;
      if (isBack || forMs > RECOVER_MS) {
        const why = info["error-desc"] ?? `the source stays ${status}`;
        throw new CommandRefusedError("timeout", `The ends do not come together: ${why}`);
      }
      await delay(ASK_MS);
    }
  }

  #onActive(memory: Memory, atMs: number): boolean {
    if (memory.active && !memory.paused) return false;
    this.#note({ ...memory, active: true, paused: false });
    if (memory.active) return false;
    this.#tell({ type: "migration.postcopy" }, atMs);
    return true;
  }

  /** The same pause is told again by a later life of the agent, under the same number. */
  #onPaused(memory: Memory, atMs: number): void {
    const pauses = memory.paused ? memory.pauses : memory.pauses + 1;
    this.#note({ active: true, pauses, paused: true });
    this.#tell({ type: "migration.postcopy-paused", pause: pauses }, atMs);
  }

  #note(postcopy: Memory): void {
    const { migration } = this.#guest.manifest;
    if (migration) this.#guest.note({ migration: { ...migration, postcopy } });
  }
}
