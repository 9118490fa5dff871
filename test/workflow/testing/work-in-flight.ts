import { setImmediate } from "node:timers/promises";
import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";

/** Real time that work may take before the test fails. */
const WORK_MS_MAX = 60_000;

/**
 * Counts the work under way in this process: function calls and requests to the services, which are
 * all answered here. Between two of them the workflow engine uses only promises and immediates. So
 * the process is idle, for a fact, when nothing is counted and no immediate is pending.
 */
export class WorkInFlight {
  #count = 0;

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#count += 1;
    try {
      return await work();
    } finally {
      this.#count -= 1;
    }
  }

  /** Stops counting one call that will never return. */
  abandon(): void {
    this.#count -= 1;
  }

  /** The same transport, its requests counted. */
  counting(transport: Pick<InProcessTransport, "handle">): InProcessTransport {
    return {
      handle: (request) => this.during(() => transport.handle(request)),
      updateHttpClientConfig() {},
      httpHandlerConfigs: () => ({}),
    };
  }

  /** Resolves when nothing is under way, so that only a timer or a test can start something. */
  async finished(): Promise<void> {
    const deadlineMs = performance.now() + WORK_MS_MAX;
    do {
      if (performance.now() > deadlineMs) throw new Error(`${this.#count} calls are under way`);
      await setImmediate();
    } while (this.#count > 0 || isImmediatePending());
  }
}

function isImmediatePending(): boolean {
  return process.getActiveResourcesInfo().includes("Immediate");
}
