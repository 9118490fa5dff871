import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** Computes without a pause, and ends when the process that started it does. */
const BUSY = `
process.on("disconnect", () => process.exit());
(function busy() {
  const until = performance.now() + 20;
  while (performance.now() < until);
  setImmediate(busy);
})();
`;

/** Processes that each keep a core busy, until they are stopped. */
export class Load {
  readonly #workers: ChildProcess[];

  constructor(workers: number) {
    this.#workers = Array.from({ length: workers }, () =>
      spawn(process.execPath, ["--eval", BUSY], { stdio: ["ignore", "ignore", "ignore", "ipc"] }),
    );
  }

  get pids(): number[] {
    return this.#workers.flatMap(({ pid }) => pid ?? []);
  }

  /** Resolves when they have ended. May be called again. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker.exitCode !== null || worker.signalCode !== null) return;
        const exited = once(worker, "exit");
        worker.kill("SIGKILL");
        await exited;
      }),
    );
  }
}
