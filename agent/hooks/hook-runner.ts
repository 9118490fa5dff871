import { type ChildProcess, spawn } from "node:child_process";
import { guestEnvironment } from "../guest/spawn.ts";

/** Kept of what a hook writes on stdout and stderr, bytes; the rest is read and dropped. */
const OUTPUT_BYTES = 4_096;
/** From SIGTERM to SIGKILL. */
const GRACE_MS = 500;
const DETAIL_MAX = 1_000;

export type HookResult = {
  outcome: "succeeded" | "failed" | "timed-out";
  /** In words: exit status, signal, or why it could not be started. */
  detail: string;
  durationMs: number;
  output: string;
};

type Order = { command: readonly [string, ...string[]]; timeoutMs: number };

/** Runs the host's hooks, each as a process group of its own, and ends them with the agent. */
export class HookRunner {
  readonly #groups = new Set<ChildProcess>();

  /** JSON on stdin, no shell. Never throws; returns at the latest 500 ms after the deadline. */
  async run(order: Order, input: object): Promise<HookResult> {
    const startedMs = performance.now();
    try {
      const result = await this.#run(order, input);
      return { ...result, durationMs: Math.round(performance.now() - startedMs) };
    } catch (error) {
      // Out of processes or descriptors, for example.
      const detail = String(error).slice(0, DETAIL_MAX);
      return { outcome: "failed", detail, durationMs: 0, output: "" };
    }
  }

  close(): void {
    for (const child of this.#groups) signal(child, "SIGKILL");
  }

  async #run({ command: [path, ...args], timeoutMs }: Order, input: object) {
    // A group, so that what the hook started ends with it.
    const child = spawn(path, args, { detached: true, cwd: "/", env: guestEnvironment() });
    this.#groups.add(child);
    const output = collect(child);
    child.stdin.on("error", () => undefined); // It need not read.
    child.stdin.end(`${JSON.stringify(input)}\n`);
    let late = false;
    const timers: NodeJS.Timeout[] = [];
    timers.push(
      setTimeout(() => {
        late = true;
        signal(child, "SIGTERM");
        timers.push(setTimeout(() => signal(child, "SIGKILL"), GRACE_MS));
      }, timeoutMs),
    );
    const { ok, detail } = await endOf(child);
    for (const timer of timers) clearTimeout(timer);
    // What it left behind in its group, which may hold its output open.
    signal(child, "SIGKILL");
    child.stdout.destroy();
    child.stderr.destroy();
    this.#groups.delete(child);
    return {
      outcome: late ? "timed-out" : ok ? "succeeded" : "failed",
      detail: late ? `not done within ${timeoutMs} ms` : detail.slice(0, DETAIL_MAX),
      output: output(),
    } as const;
  }
}

function endOf(child: ChildProcess): Promise<{ ok: boolean; detail: string }> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ ok: false, detail: error.message }));
    child.once("exit", (code, name) => {
      const detail = name === null ? `exit status ${code}` : `ended by ${name}`;
      // What it wrote last is in the pipe still.
      setImmediate(() => resolve({ ok: code === 0, detail }));
    });
  });
}

function collect({ stdout, stderr }: ReturnType<typeof spawn>): () => string {
  const kept: Buffer[] = [];
  let bytes = 0;
  for (const stream of [stdout, stderr]) {
    stream?.on("error", () => undefined);
    stream?.on("data", (chunk: Buffer) => {
      const part = chunk.subarray(0, OUTPUT_BYTES - bytes);
      if (part.length > 0) kept.push(Buffer.from(part));
      bytes += part.length;
    });
  }
  return () => Buffer.concat(kept).toString("utf8");
}

function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // Nobody is left.
  }
}
