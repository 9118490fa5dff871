import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { Event, type Request } from "./protocol.ts";

const ANSWER_DEADLINE_MS = 30_000;
const OUTPUT_CHARS_MAX = 16 * 1024 * 1024;

export type SpawnOptions = {
  /** The process and what it started are killed after this time. */
  deadlineMs: number;
  /** Default /tmp. */
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  onOutput?: (text: string, stream: "stdout" | "stderr") => void;
};

/** A process inside L1. */
export type L1Process = {
  /** Settles when it has ended: its exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** What it has written so far; the first 16 Mi characters. */
  stdout(): string;
  stderr(): string;
  /** Sends a signal to the process and what it started; does nothing when it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
};

type Pending = {
  resolve: (text: string) => void;
  reject: (error: Error) => void;
};

type Running = {
  onOutput: (text: string, stream: "stdout" | "stderr") => void;
  resolve: (code: number | null) => void;
  reject: (error: Error) => void;
};

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** The connection to L1's control program (see protocol.ts). */
export class L1Channel {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Map<number, Running>();
  readonly #ready = Promise.withResolvers<void>();
  #nextId = 1;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#ready.promise.catch(() => {});
    createInterface({ input: socket }).on("line", (line) => this.#onLine(line));
    socket.on("error", () => {}); // followed by close, which settles everything
    socket.on("close", () => this.#onClose());
  }

  /** Waits until L1 takes requests. */
  async ready(deadline: AbortSignal): Promise<void> {
    const late = () => this.#ready.reject(new Error("Expected L1 to answer in time"));
    deadline.addEventListener("abort", late);
    try {
      await this.#ready.promise;
    } finally {
      deadline.removeEventListener("abort", late);
    }
  }

  async spawn(argv: readonly string[], options: SpawnOptions): Promise<L1Process> {
    const id = this.#nextId;
    const output = { stdout: "", stderr: "" };
    const exit = Promise.withResolvers<number | null>();
    exit.promise.catch(() => {}); // whoever waits for it sees it, nobody has to
    this.#running.set(id, {
      ...exit,
      onOutput: (text, stream) => {
        if (output[stream].length < OUTPUT_CHARS_MAX) output[stream] += text;
        options.onOutput?.(text, stream);
      },
    });
    const { deadlineMs, cwd = "/tmp", env = {} } = options;
    try {
      await this.#request({ op: "spawn", argv, cwd, env, deadlineMs });
    } catch (error) {
      this.#running.delete(id);
      throw error;
    }
    return {
      exited: exit.promise,
      stdout: () => output.stdout,
      stderr: () => output.stderr,
      kill: async (signal) => {
        await this.#request({ op: "kill", target: id, signal });
      },
    };
  }

  async read(path: string): Promise<string> {
    return await this.#request({ op: "read", path });
  }

  async write(path: string, text: string): Promise<void> {
    await this.#request({ op: "write", path, text });
  }

  /** Asks L1 to power off; it does not answer. */
  stop(): void {
    if (!this.#closed) this.#send({ op: "stop", id: this.#nextId++ });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #request(request: WithoutId<Request>): Promise<string> {
    if (this.#closed) throw new Error(`Failed to ${request.op}: L1 is off`);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const late = setTimeout(() => {
      reject(new Error(`Failed to ${request.op}: no answer from L1 in ${ANSWER_DEADLINE_MS} ms`));
    }, ANSWER_DEADLINE_MS);
    this.#pending.set(id, { resolve, reject });
    this.#send({ ...request, id });
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      this.#pending.delete(id);
    }
  }

  #send(request: Request): void {
    this.#socket.write(`${JSON.stringify(request)}\n`);
  }

  #onLine(line: string): void {
    const event = parseEvent(line);
    switch (event?.event) {
      case "ready":
        this.#ready.resolve();
        break;
      case "done":
        this.#pending.get(event.id)?.resolve(event.text ?? "");
        break;
      case "error":
        this.#pending.get(event.id)?.reject(new Error(`L1: ${event.message}`));
        break;
      case "output":
        this.#running.get(event.id)?.onOutput(event.text, event.stream);
        break;
      case "exit":
        this.#running.get(event.id)?.resolve(event.code);
        this.#running.delete(event.id);
        break;
      case undefined: // nothing after it could be trusted
        this.#socket.destroy();
    }
  }

  #onClose(): void {
    this.#closed = true;
    const error = new Error("L1 went off");
    this.#ready.reject(error);
    for (const waiting of [...this.#pending.values(), ...this.#running.values()]) {
      waiting.reject(error);
    }
    this.#running.clear();
  }
}

function parseEvent(line: string): Event | undefined {
  try {
    return Event.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
