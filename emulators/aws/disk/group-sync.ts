/**
 * Lets answers wait until what they tell is on the disk, without holding up the process: one sync is
 * for all that was written before it began.
 */
export class GroupSync {
  readonly #sync: () => Promise<void>;
  #written = 0;
  #synced = 0;
  #running: Promise<void> | undefined;
  #failure: unknown;

  /** @param sync resolves once everything is on the disk that was written before the call */
  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** To be called after each write. */
  mark(): void {
    this.#written += 1;
  }

  /**
   * Resolves once everything is on the disk that was marked before.
   *
   * @throws the error of the first sync that failed, from then on: nobody knows what of the writes
   *   before it is on the disk
   */
  async settled(): Promise<void> {
    const until = this.#written;
    while (this.#failure === undefined && this.#synced < until) {
      this.#running ??= this.#run();
      await this.#running;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #run(): Promise<void> {
    const until = this.#written;
    try {
      await this.#sync();
      this.#synced = until;
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#running = undefined;
    }
  }
}
