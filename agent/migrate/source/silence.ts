import type { Guest } from "../../guest/guest.ts";

const ASK_MS = 250;
/** One question waits as long as this for its answer. */
const ANSWER_MS = 60_000;

type Options = {
  guest: Guest;
  /** Without an answer for this long QEMU is silent. */
  silentAfterMs: number;
  /** Called once for each silence, while it lasts. */
  onSilent: (sinceMs: number) => void;
  /** Called when QEMU answers again. */
  onAnswer?: (sinceMs: number, untilMs: number) => void;
};

/**
 * Asks QEMU for its run state four times a second. A QEMU that does not answer holds its main loop,
 * and soon the vCPUs wait for it. One question is asked at a time, since QEMU's queue of commands is
 * bounded. Times are ms since the epoch.
 */
export class SilenceWatch {
  readonly #options: Options;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: Options) {
    this.#options = options;
    void this.#ask();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { guest, silentAfterMs, onSilent, onAnswer } = this.#options;
    const sinceMs = Date.now();
    let isSilent = false;
    const alarm = setTimeout(() => {
      if (this.#isClosed) return;
      isSilent = true;
      onSilent(sinceMs);
    }, silentAfterMs);
    try {
      await guest.qmp.execute("query-status", {}, { timeoutMs: ANSWER_MS });
      if (isSilent && !this.#isClosed) onAnswer?.(sinceMs, Date.now());
    } catch {
      // The session has broken, or the silence goes on.
    } finally {
      clearTimeout(alarm);
    }
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#ask(), ASK_MS);
  }
}
