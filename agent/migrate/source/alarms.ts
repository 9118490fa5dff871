/** setTimeout's longest, ms: 24 days, as good as never for a migration. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** Timers of one migration, ended together. */
export class Alarms {
  readonly #timers: NodeJS.Timeout[] = [];

  every(intervalMs: number, what: () => void): void {
    this.#timers.push(setInterval(what, intervalMs));
  }

  /** At a moment of the wall clock, ms since the epoch; at once if it has passed; never without one. */
  at(atMs: number | undefined, what: () => void): void {
    if (atMs === undefined) return;
    const leftMs = Math.min(Math.max(atMs - Date.now(), 0), DELAY_MS_MAX);
    this.#timers.push(setTimeout(what, leftMs));
  }

  clear(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }
}
