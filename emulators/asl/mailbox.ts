type Message = {
  readonly open: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type MailboxOptions = {
  /** Whether there is work besides messages. */
  readonly hasWork: () => boolean;
  readonly work: () => Promise<void>;
  /** Called after each turn, before messages are answered; repeated until it succeeds. */
  readonly settle: () => Promise<void>;
  /** Receives the error of a message or of the work. */
  readonly onFault: (error: unknown) => void;
  readonly onSettleFault: (error: unknown) => void;
};

/** The engine closes: the request was neither carried out nor stored. */
export class ClosingError extends Error {
  override name = "ClosingError";
}

const SETTLE_RETRY_MS = 1000;
/** After this many turns in a row, other work of the process runs. */
const TURNS_IN_A_ROW = 8;

/** Processes messages one at a time, and answers them once their changes are settled. */
export class Mailbox {
  readonly #options: MailboxOptions;
  #messages: Message[] = [];
  #run: Promise<void> | undefined;
  #isClosed = false;
  #stopWaiting: () => void = () => {};

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#run === undefined && this.#messages.length === 0;
  }

  /**
   * Runs `open` after the messages before it.
   *
   * @throws what `open` throws, or ClosingError
   */
  post<T>(open: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) {
        reject(new ClosingError("The engine is closing"));
        return;
      }
      this.#messages.push({ open, resolve: resolve as (value: unknown) => void, reject });
      this.wake();
    });
  }

  wake(): void {
    if (this.#isClosed || this.#run) return;
    this.#run = this.#work().finally(() => {
      this.#run = undefined;
      if (this.#messages.length > 0) this.wake();
    });
  }

  /** Waits for the current turn to end, and accepts no more messages. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWaiting();
    await this.#run;
    for (const message of this.#messages.splice(0)) {
      message.reject(new ClosingError("The engine is closing"));
    }
  }

  async #work(): Promise<void> {
    await Promise.resolve();
    for (let turn = 1; !this.#isClosed; turn += 1) {
      if (this.#messages.length === 0 && !this.#options.hasWork()) return;
      await this.#turn();
      if (turn % TURNS_IN_A_ROW === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #turn(): Promise<void> {
    const answers: (() => void)[] = [];
    const messages = this.#messages.splice(0);
    for (const message of messages) {
      try {
        const value = await message.open();
        answers.push(() => message.resolve(value));
      } catch (error) {
        answers.push(() => message.reject(error));
        this.#options.onFault(error);
      }
    }
    try {
      await this.#options.work();
    } catch (error) {
      this.#options.onFault(error);
    }
    if (await this.#settle()) for (const answer of answers) answer();
    else for (const message of messages) message.reject(new ClosingError("The engine is closing"));
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
