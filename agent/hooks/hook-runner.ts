import { type ChildProcess, spawn } from "node:child_process";
import { guestEnvironment } from "../guest/launch.ts";

/** How much of a hook's stdout and stderr is kept, bytes; the rest is read and dropped. */
const OUTPUT_BYTES = 4_096;
/** From SIGTERM to SIGKILL. */
const GRACE_MS = 500;
const DETAIL_MAX = 1_000;

export type HookResult = {
  outcome: "succeeded" | "failed" | "timed-out";
  /** Exit status, signal, or why the hook could not be started; for people. */
  detail: string;
  durationMs: number;
  output: string;
};

type Order = { command: readonly [string, ...string[]]; timeoutMs: number };

/** Runs the host's hooks, each in a process group of its own, and ends them with the agent. */
export class HookRunner {
  readonly #groups = new Set<ChildProcess>();

  /** JSON on stdin, no shell. Never throws; ends at most {@link GRACE_MS} after the timeout. */
  async run(order: Order, input: object): Promise<HookResult> {
    const startedMs = performance.now();
    try {
      const result = await this.#run(order, input);
      return { ...result, durationMs: Math.round(performance.now() - startedMs) };
    } catch (error) {
      // For example, no more processes or descriptors.
      const detail = String(error).slice(0, DETAIL_MAX);
      return { outcome: "failed", detail, durationMs: 0, output: "" };
    }
  }

  close(): void {
    for (const child of this.#groups) signal(child, "SIGKILL");
  }

  async #run({ command: [path, ...args], timeoutMs }: Order, input: object) {
    // A group: processes that the hook has started end with it.
    const child = spawn(path, args, { detached: true, cwd: "/", env: guestEnvironment() });
    this.#groups.add(child);
    const output = collect(child);
    child.stdin.on("error", () => undefined); // The hook need not read its input.
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
    // Processes left in its group may keep its output open.
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
      // Its last output may still be in the pipe.
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
    // No process of the group is left.
  }
}
