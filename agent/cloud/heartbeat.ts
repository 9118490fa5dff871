import { pause } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";
import { CloudRefusedError, SupersededError } from "./api.ts";

/** Longest pause after a heartbeat that did not arrive: the cloud must not think a host silent for long. */
const RETRY_MS_MAX = 5_000;

type Hearing = { heartbeat(signal: AbortSignal): Promise<void> };

/** Lets the cloud hear a host that has nothing to report: a host that it does not hear gets no guests. */
export class Heartbeat {
  readonly #api: Hearing;
  readonly #intervalMs: number;
  readonly #log: Log;
  readonly #onSuperseded: (error: SupersededError) => void;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: {
    api: Hearing;
    intervalMs: number;
    log: Log;
    onSuperseded: (error: SupersededError) => void;
  }) {
    this.#api = options.api;
    this.#intervalMs = options.intervalMs;
    this.#log = options.log;
    this.#onSuperseded = options.onSuperseded;
  }

  /** To be called after the registration, which is heard itself. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let isHeard = true;
    let pauseMs = this.#intervalMs;
    while (true) {
      await pause(pauseMs, signal);
      if (signal.aborted) return;
      try {
        await this.#api.heartbeat(signal);
        isHeard = true;
        pauseMs = this.#intervalMs;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof SupersededError) return this.#onSuperseded(error);
        // Refused for good, by a key that is not accepted or a cloud that is older: asked less often.
        const isRefused = error instanceof CloudRefusedError;
        pauseMs = isRefused ? this.#intervalMs : Math.min(RETRY_MS_MAX, this.#intervalMs);
        if (isHeard) this.#log.warn({ error }, "a heartbeat did not arrive, trying again");
        isHeard = false;
      }
    }
  }
}
