import { Fleet, type FleetOptions } from "../rig/fleet.ts";

/**
 * The one fleet of a demo. It is stopped at the demo's end and at SIGINT or SIGTERM, also while it
 * starts; one that fails to start cleans up after itself.
 */
export class DemoFleet {
  #starting: Promise<Fleet | undefined> = Promise.resolve(undefined);
  #stopping: Promise<void> | undefined;

  constructor() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => void this.stop().finally(() => process.exit(130)));
    }
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** @throws Error when a part of it does not start */
  start(options: FleetOptions): Promise<Fleet> {
    const started = Fleet.start(options);
    this.#starting = started.catch(() => undefined);
    return started;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#starting.then((started) => started?.stop());
    return this.#stopping;
  }
}

/** Runs a demo to its end. A failure is printed, and the exit status is 1. */
export async function runDemo(demo: (own: DemoFleet) => Promise<void>): Promise<void> {
  const own = new DemoFleet();
  try {
    await demo(own);
  } catch (error) {
    if (!own.isStopping) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  } finally {
    await own.stop();
  }
}
