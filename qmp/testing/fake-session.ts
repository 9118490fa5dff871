import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { stringifyJson } from "../integer.ts";
import { LineSplitter } from "../line-splitter.ts";
import { FakeQmpError } from "./fake-error.ts";

/** QEMU monitor/monitor-internal.h, QMP_REQ_QUEUE_LEN_MAX: with so many QEMU stops reading. */
const QUEUE_LENGTH_MAX = 8;

export type FakeRequest = {
  readonly command: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly oob: boolean;
  readonly id: unknown;
};

/** Returns the answer (undefined: `{}`). @throws FakeQmpError to answer with an error */
export type FakeCommand = (request: FakeRequest) => unknown;

export type FakeSessionOptions = {
  /** What the fake knows beside `qmp_capabilities`; anything else is answered CommandNotFound. */
  readonly commands?: Readonly<Record<string, FakeCommand>>;
  /** Offered in the greeting. Default `["oob"]`. */
  readonly capabilities?: readonly string[];
  readonly version?: { readonly major: number; readonly minor: number; readonly micro: number };
  /** A line to send in place of the greeting; null: send nothing. */
  readonly greeting?: string | null;
  /** Cuts what is sent into the chunks that the client is to receive. Default: as it comes. */
  readonly chunk?: (bytes: Buffer) => readonly Buffer[];
};

/**
 * One client of the fake. Commands are executed in QEMU's order: in-band ones one after the other,
 * out-of-band ones at once.
 */
export class FakeSession {
  readonly #socket: Socket;
  readonly #options: FakeSessionOptions;
  readonly #onRequest: (request: FakeRequest, isKnown: boolean) => void;
  readonly #splitter = new LineSplitter(64 * 1024 * 1024);
  readonly #inbox: Buffer[] = [];
  readonly #queue: FakeRequest[] = [];
  #stalled: "no" | "in-band" | "all" = "no";
  #isNegotiated = false;
  #hasOob = false;
  #isExecuting = false;
  #writing: Promise<void> = Promise.resolve();
  #unstall = Promise.withResolvers<void>();

  constructor(
    socket: Socket,
    options: FakeSessionOptions,
    onRequest: (request: FakeRequest, isKnown: boolean) => void,
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#onRequest = onRequest;
    socket
      .on("error", () => undefined)
      .on("data", (chunk: Buffer) => {
        this.#inbox.push(...this.#splitter.push(chunk));
        this.#read();
      });
    if (options.greeting !== null) void this.send(`${options.greeting ?? this.#greet()}\r\n`);
  }

  stall(what: "in-band" | "all"): void {
    this.#stalled = what;
  }

  resume(): void {
    this.#stalled = "no";
    this.#unstall.resolve();
    this.#unstall = Promise.withResolvers();
    this.#read();
    void this.#execute();
  }

  cut(): void {
    this.#socket.destroy();
  }

  /** Writes bytes in order, cut by the option `chunk`; resolves when the kernel has taken them. */
  send(data: string | Buffer): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write(Buffer.from(data)));
    return this.#writing;
  }

  async #write(bytes: Buffer): Promise<void> {
    while (this.#stalled === "all") await this.#unstall.promise;
    for (const part of this.#options.chunk?.(bytes) ?? [bytes]) {
      if (this.#socket.destroyed) return;
      await new Promise<void>((resolve) => this.#socket.write(part, () => resolve()));
      if (this.#options.chunk) await nextTurn();
    }
  }

  #greet(): string {
    const { version = { major: 10, minor: 0, micro: 2 }, capabilities = ["oob"] } = this.#options;
    return stringifyJson({ QMP: { version: { qemu: version, package: "fake" }, capabilities } });
  }

  #read(): void {
    while (this.#stalled !== "all" && this.#queue.length < QUEUE_LENGTH_MAX) {
      const line = this.#inbox.shift();
      if (!line) return;
      this.#take(line);
    }
  }

  #take(line: Buffer): void {
    const message = JSON.parse(line.toString()) as Record<string, unknown>;
    const oob = "exec-oob" in message;
    const command = String(message[oob ? "exec-oob" : "execute"]);
    const args = (message.arguments ?? {}) as Record<string, unknown>;
    const request = { command, arguments: args, oob, id: message.id };
    const isKnown = command === "qmp_capabilities" || this.#find(command) !== undefined;
    this.#onRequest(request, isKnown);
    if (oob) void this.#answer(request);
    else this.#queue.push(request);
    void this.#execute();
  }

  async #execute(): Promise<void> {
    if (this.#isExecuting) return;
    this.#isExecuting = true;
    while (this.#stalled === "no") {
      const request = this.#queue.shift();
      if (!request) break;
      this.#read();
      await this.#answer(request);
    }
    this.#isExecuting = false;
  }

  async #answer(request: FakeRequest): Promise<void> {
    const { id } = request;
    try {
      const value = (await this.#run(request)) ?? {};
      await this.send(`${stringifyJson({ return: value, id })}\r\n`);
    } catch (error) {
      if (!(error instanceof FakeQmpError)) throw error;
      const answer = { id, error: { class: error.class, desc: error.message } };
      await this.send(`${stringifyJson(answer)}\r\n`);
    }
  }

  #run(request: FakeRequest): unknown {
    const { command, oob } = request;
    if (command === "qmp_capabilities") return this.#negotiate(request);
    const handler = this.#find(command);
    if (!this.#isNegotiated || !handler) {
      throw new FakeQmpError(`The command ${command} has not been found`, "CommandNotFound");
    }
    if (oob && !this.#hasOob) throw new FakeQmpError("QMP input member 'exec-oob' is unexpected");
    return handler(request);
  }

  #find(command: string) {
    const { commands = {} } = this.#options;
    return Object.hasOwn(commands, command) ? commands[command] : undefined;
  }

  #negotiate(request: FakeRequest): object {
    const { capabilities = ["oob"] } = this.#options;
    const { enable = [] } = request.arguments as { readonly enable?: readonly string[] };
    const missing = enable.find((name) => !capabilities.includes(name));
    if (missing) throw new FakeQmpError(`Capability ${missing} not available`);
    if (this.#isNegotiated) throw new FakeQmpError("Capabilities negotiation is already complete");
    this.#isNegotiated = true;
    this.#hasOob = enable.includes("oob");
    return {};
  }
}
