import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { tiedToThisProcess } from "../agent/runtime/tied-process.ts";

export type ChildOptions = {
  name: string;
  /** A script and its arguments, run by the same Node. */
  args: string[];
  environment: Record<string, string>;
  /** Takes its stdout and stderr. */
  logFile: string;
};

/** A process started by this one, which does not outlive it, with its output in a file. */
export class Child {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  /** Resolves when it has exited, or could not be started. */
  readonly exited: Promise<void>;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#logFile = options.logFile;
    const log = openSync(options.logFile, "a", 0o600);
    // Also when this process is killed.
    const [command, args] = tiedToThisProcess(process.execPath, options.args);
    this.#child = spawn(command, args, {
      env: { ...process.env, ...options.environment },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.exited = new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", () => resolve());
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Null while it runs, and after a signal. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    if (!this.isRunning) return;
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** The end of its log, for error messages. */
  logTail(): string {
    try {
      return readFileSync(this.#logFile, "utf8").slice(-3_000);
    } catch {
      return "";
    }
  }
}
