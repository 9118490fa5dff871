type Letter = {
  readonly open: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type MailboxOptions = {
  /** Whether there is work besides letters. */
  readonly hasWork: () => boolean;
  readonly work: () => Promise<void>;
  /** Called after each turn, before letters are answered; tried again until it succeeds. */
  readonly settle: () => Promise<void>;
  /** Told what a letter or the work threw. */
  readonly onFault: (error: unknown) => void;
  readonly onSettleFault: (error: unknown) => void;
};

/** The engine closes: what was asked for is not done, and was not stored. */
export class ClosingError extends Error {
  override name = "ClosingError";
}

const SETTLE_RETRY_MS = 1000;
/** After so many turns in a row other work of the process has a turn. */
const TURNS_IN_A_ROW = 8;

/** Takes letters one at a time, and answers them once what they changed is settled. */
export class Mailbox {
  readonly #options: MailboxOptions;
  #letters: Letter[] = [];
  #run: Promise<void> | undefined;
  #isClosed = false;
  #stopWaiting: () => void = () => {};

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#run === undefined && this.#letters.length === 0;
  }

  /**
   * Has `open` called in its turn.
   *
   * @throws what `open` throws, or ClosingError
   */
  post<T>(open: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) {
        reject(new ClosingError("The engine is closing"));
        return;
      }
      this.#letters.push({ open, resolve: resolve as (value: unknown) => void, reject });
      this.wake();
    });
  }

  wake(): void {
    if (this.#isClosed || this.#run) return;
    this.#run = this.#work().finally(() => {
      this.#run = undefined;
      if (this.#letters.length > 0) this.wake();
    });
  }

  /** Lets the turn under way come to its end, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWaiting();
    await this.#run;
    for (const letter of this.#letters.splice(0)) {
      letter.reject(new ClosingError("The engine is closing"));
    }
  }

  async #work(): Promise<void> {
    await Promise.resolve();
    for (let turn = 1; !this.#isClosed; turn += 1) {
      if (this.#letters.length === 0 && !this.#options.hasWork()) return;
      await this.#turn();
      if (turn % TURNS_IN_A_ROW === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #turn(): Promise<void> {
    const answers: (() => void)[] = [];
    const letters = this.#letters.splice(0);
    for (const letter of letters) {
      try {
        const value = await letter.open();
        answers.push(() => letter.resolve(value));
      } catch (error) {
        answers.push(() => letter.reject(error));
        this.#options.onFault(error);
      }
    }
    try {
      await this.#options.work();
    } catch (error) {
      this.#options.onFault(error);
    }
    if (await this.#settle()) for (const answer of answers) answer();
    else for (const letter of letters) letter.reject(new ClosingError("The engine is closing"));
  }

  /** @returns false if the engine closed before it succeeded */
  async #settle(): Promise<boolean> {
    for (;;) {
      try {
        await this.#options.settle();
        return true;
      } catch (error) {
        this.#options.onSettleFault(error);
      }
      if (this.#isClosed) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, SETTLE_RETRY_MS);
        this.#stopWaiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
