import { signal } from "@preact/signals";
import { pauseAfterRead, REST_MS } from "./polling.ts";

/** A person has switched live updates off. */
export const isPaused = signal(false);

/**
 * Reads something again and again: often while it changes, rarely while it does not, not at all while
 * the tab is hidden or live updates are off.
 */
export class Poller<T> {
  readonly value = signal<T | undefined>(undefined);
  readonly error = signal<unknown>(undefined);
  readonly #read: (before: T | undefined) => Promise<T>;
  readonly #isBusy: (value: T) => boolean;
  readonly #restMs: number;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReading = false;
  #isOver = false;

  /**
   * @param read may return the value of before if nothing has changed
   * @param isBusy whether what was read is changing
   * @param restMs pause between two reads while it is not, ms
   */
  constructor(
    read: (before: T | undefined) => Promise<T>,
    isBusy: (value: T) => boolean,
    restMs = REST_MS,
  ) {
    this.#read = read;
    this.#isBusy = isBusy;
    this.#restMs = restMs;
    document.addEventListener("visibilitychange", this.#wake);
    void this.refresh();
  }

  /** Reads now, also while live updates are off. */
  async refresh(): Promise<void> {
    if (this.#isReading || this.#isOver) return;
    clearTimeout(this.#timer);
    this.#isReading = true;
    try {
      const value = await this.#read(this.value.peek());
      if (this.#isOver) return;
      this.value.value = value;
      this.error.value = undefined;
      this.#failures = 0;
    } catch (error) {
      this.error.value = error;
      this.#failures += 1;
    } finally {
      this.#isReading = false;
    }
    this.#plan();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#wake);
  }

  #plan(): void {
    if (this.#isOver) return;
    const value = this.value.peek();
    const isBusy = value !== undefined && this.#isBusy(value);
    const last = { isBusy, failures: this.#failures, restMs: this.#restMs };
    this.#timer = setTimeout(this.#wake, pauseAfterRead(last));
  }

  readonly #wake = (): void => {
    if (document.hidden) return;
    if (isPaused.value) this.#plan();
    else void this.refresh();
  };
}
