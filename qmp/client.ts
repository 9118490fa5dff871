import type { Socket } from "node:net";
import { CallQueue } from "./call-queue.ts";
import type { ExecuteOptions, QmpConnectOptions, QmpState } from "./client-options.ts";
import {
  type ArgumentsOf,
  commands,
  type ExecuteArguments,
  isOobCommand,
  type QmpCommandName,
  type ReturnOf,
} from "./commands.ts";
import { createCounters, type QmpCounters } from "./counters.ts";
import {
  QmpConnectError,
  QmpDisconnectedError,
  QmpError,
  QmpGreetedAgainError,
  QmpProtocolError,
} from "./error.ts";
import { EventHub, type QmpEventListener, type WaitForOptions } from "./event-hub.ts";
import { type QmpEvent, type QmpEventName, readEvent } from "./events.ts";
import { LineSplitter } from "./line-splitter.ts";
import { decodeMessage, type QmpGreeting, type QmpVersion, type WireEvent } from "./message.ts";
import { describeAddress, openSocket, type QmpAddress } from "./open-socket.ts";
import { isPassLine, PassCoalescer } from "./pass-coalescer.ts";

/** Of one `connect`, when QEMU begins them anew. */
const SESSIONS_MAX = 3;

/**
 * One QMP session with one QEMU.
 *
 * QEMU answers nothing during most of the downtime, so there is no keepalive: silence is not a failure.
 * Calls have deadlines instead; after a missed deadline the session is as usable as before.
 *
 * @example
 * const qmp = await QmpClient.connect({ path: "/run/vm7/qmp.sock" });
 * qmp.on("MIGRATION", (event) => console.log(event.timestampMs, event.data.status));
 * const { status } = await qmp.execute("query-status");
 * await qmp.execute("yank", { instances: [{ type: "migration" }] }, { timeoutMs: 2_000 });
 * await qmp.close();
 */
export class QmpClient {
  readonly address: QmpAddress;
  /**
   * Resolves once when the session is over, never rejects: undefined after `close()`, else the root
   * cause (QmpDisconnectedError: the connection ended; QmpProtocolError: QEMU was not understood).
   */
  readonly closed: Promise<QmpError | undefined>;

  readonly #socket: Socket;
  readonly #splitter: LineSplitter;
  readonly #calls: CallQueue;
  readonly #hub: EventHub;
  readonly #passes: PassCoalescer;
  readonly #counters = createCounters();
  readonly #defaultTimeoutMs: number;
  readonly #greeted = Promise.withResolvers<QmpGreeting>();
  readonly #over = Promise.withResolvers<QmpError | undefined>();
  #greeting: QmpGreeting | undefined;
  readonly #onState: (state: QmpState) => void;
  #state: QmpState = "connecting";
  #cause: QmpError | undefined;
  #oobEnabled = false;

  /**
   * Connects, waits for the greeting (qmp-spec, "Server Greeting") and negotiates (qmp-spec,
   * "Capabilities Negotiation"). A session that QEMU begins anew meanwhile is replaced by another one.
   *
   * @throws QmpConnectError when nothing listens, or nothing answers (QEMU serves one client per
   *   monitor); QmpProtocolError; RangeError for a bad `inFlightMax`; the signal's reason
   */
  static async connect(address: QmpAddress, options: QmpConnectOptions = {}): Promise<QmpClient> {
    const { connectTimeoutMs = 10_000, retry = true, inFlightMax = 7, signal } = options;
    if (!(inFlightMax >= 1 && inFlightMax <= 7)) {
      throw new RangeError(`Expected \`inFlightMax\` to be 1..7, got ${inFlightMax}`);
    }
    const deadlineAtMs = performance.now() + connectTimeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      const socket = await openSocket(address, { deadlineAtMs, retry, signal });
      const client = new QmpClient(address, socket, options);
      try {
        await client.#negotiate(deadlineAtMs, options);
        return client;
      } catch (error) {
        const cause = client.#cause ?? error;
        await client.close();
        const isLast = signal?.aborted === true || attempt === SESSIONS_MAX;
        if (cause instanceof QmpGreetedAgainError && !isLast) continue;
        if (signal?.aborted || cause instanceof QmpProtocolError) throw cause;
        const why = cause instanceof Error ? cause.message : "unknown reason";
        throw new QmpConnectError(describeAddress(address), attempt, why, { cause });
      }
    }
  }

  private constructor(address: QmpAddress, socket: Socket, options: QmpConnectOptions) {
    const { inFlightMax = 7, waitingMax = 1_000, lineBytesMax = 64 * 1024 * 1024 } = options;
    this.address = address;
    this.closed = this.#over.promise;
    this.#socket = socket;
    this.#defaultTimeoutMs = options.defaultTimeoutMs ?? 10_000;
    this.#splitter = new LineSplitter(lineBytesMax);
    this.#hub = new EventHub(this.#counters, options.onListenerError);
    this.#passes = new PassCoalescer({
      intervalMs: options.passIntervalMs ?? 100,
      counters: this.#counters,
      deliver: (line, count) => this.#deliverPass(line, count),
    });
    this.#calls = new CallQueue({
      write: (line) => this.#write(line),
      counters: this.#counters,
      inBandMax: inFlightMax,
      waitingMax,
    });
    if (options.onEvent) this.#hub.on("*", options.onEvent);
    this.#onState = options.onState ?? (() => undefined);
    this.#onState(this.#state);
    this.#greeted.promise.catch(() => undefined);
    this.#listen();
  }

  get state(): QmpState {
    return this.#state;
  }

  /** From the greeting. */
  get version(): QmpVersion {
    if (!this.#greeting) throw new QmpProtocolError("Expected a greeting first");
    return this.#greeting.version;
  }

  /** True when out-of-band execution was negotiated. */
  get oobEnabled(): boolean {
    return this.#oobEnabled;
  }

  /** A snapshot. */
  get counters(): Readonly<QmpCounters> {
    return { ...this.#counters };
  }

  /**
   * Runs a command and checks the answer.
   *
   * Events in the same packet as the answer reach listeners before the caller: subscribe first.
   *
   * @throws QmpCommandError, QmpTimeoutError, QmpBusyError, QmpDisconnectedError, the signal's reason,
   *   or QmpProtocolError (the answer has an unexpected shape, or `oob: true` was not negotiated; the
   *   session goes on)
   */
  async execute<Name extends QmpCommandName>(
    command: Name,
    ...[args, options]: ExecuteArguments<ArgumentsOf<Name>, ExecuteOptions>
  ): Promise<ReturnOf<Name>> {
    const value = await this.executeAny(command, args, options);
    const result = commands[command].returns.safeParse(value);
    if (result.success) return result.data as ReturnOf<Name>;
    throw new QmpProtocolError(`Failed to read the answer to \`${command}\``, {
      cause: result.error,
    });
  }

  /** Runs a command by name, known to this client or not; the answer is not checked. */
  async executeAny(command: string, args?: object, options: ExecuteOptions = {}): Promise<unknown> {
    if (this.#state !== "running") throw this.#notRunning(command);
    return this.#run(command, args, options);
  }

  /** Subscribes to one event, or to all with "*". @returns a function that unsubscribes */
  on(name: "*", listener: QmpEventListener): () => void;
  on<Name extends QmpEventName>(name: Name, listener: QmpEventListener<Name>): () => void;
  on(name: string, listener: QmpEventListener): () => void;
  on<Name extends string>(name: Name, listener: QmpEventListener<Name>): () => void {
    return this.#hub.on(name, listener);
  }

  /**
   * Resolves with the first event from now on that satisfies `predicate` (see `isQmpEvent`).
   *
   * @throws QmpTimeoutError, QmpDisconnectedError, the signal's reason, or what the predicate throws
   */
  waitFor(predicate: (event: QmpEvent) => boolean, options: WaitForOptions): Promise<QmpEvent> {
    return this.#hub.waitFor(predicate, options);
  }

  /** Ends the session; pending calls get QmpDisconnectedError. QEMU runs on. May be called again. */
  async close(): Promise<void> {
    this.#end(undefined);
    await this.closed;
  }

  /** Calls of one turn of the event loop are sent in one packet: QEMU wakes up once for all of them. */
  #write(line: string): boolean {
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      queueMicrotask(() => this.#socket.uncork());
    }
    return this.#socket.write(line);
  }

  #listen(): void {
    const disconnected = (why: string, options?: ErrorOptions) =>
      this.#end(new QmpDisconnectedError(why, options));
    this.#socket
      .on("data", (chunk: Buffer) => this.#receive(chunk))
      .on("drain", () => this.#calls.resume())
      .on("error", (cause) => disconnected("The QMP connection broke", { cause }))
      .on("end", () => {
        const where = this.#splitter.isMidLine ? " in the middle of a message" : "";
        disconnected(`QEMU closed the QMP connection${where}`);
      })
      .on("close", () => {
        disconnected("The QMP connection was closed");
        this.#enter("closed");
        this.#over.resolve(this.#cause);
      });
  }

  async #negotiate(deadlineAtMs: number, options: QmpConnectOptions): Promise<void> {
    const { signal, oob = true } = options;
    const greeting = await this.#waitForGreeting(deadlineAtMs, signal);
    this.#greeting = greeting;
    const useOob = oob && greeting.capabilities.includes("oob");
    const timeoutMs = Math.max(1, deadlineAtMs - performance.now());
    const call = { timeoutMs, oob: false, ...(signal && { signal }) };
    await this.#run("qmp_capabilities", useOob ? { enable: ["oob"] } : undefined, call);
    this.#oobEnabled = useOob;
    if (this.#state === "connecting") this.#enter("running");
  }

  async #waitForGreeting(
    deadlineAtMs: number,
    signal: AbortSignal | undefined,
  ): Promise<QmpGreeting> {
    const { promise, reject } = this.#greeted;
    const onAbort = () => reject(signal?.reason);
    const onTimeout = () => reject(new QmpError("no greeting, the monitor may be in use"));
    const timer = setTimeout(
      () => setImmediate(onTimeout),
      Math.max(1, deadlineAtMs - performance.now()),
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    });
  }

  #run(command: string, args: object | undefined, options: ExecuteOptions): Promise<unknown> {
    const { timeoutMs = this.#defaultTimeoutMs, signal } = options;
    const oob = options.oob ?? (this.#oobEnabled && isOobCommand(command));
    if (oob && !this.#oobEnabled) {
      const why = "out-of-band execution was not negotiated";
      return Promise.reject(new QmpProtocolError(`Failed to run \`${command}\`: ${why}`));
    }
    return this.#calls.run(command, args, { timeoutMs, signal, oob });
  }

  #receive(chunk: Buffer): void {
    this.#counters.bytesReceived += chunk.length;
    try {
      for (const line of this.#splitter.push(chunk)) {
        if (this.#state === "closing" || this.#state === "closed") return;
        if (isPassLine(line)) this.#passes.add(line);
        else this.#receiveLine(line);
      }
      if (this.#passes.isFlooded) this.#rest();
    } catch (error) {
      this.#end(asProtocolError(error));
    }
  }

  /**
   * QEMU writes each MIGRATION_PASS in a packet of its own, and waking up for each is the main cost of
   * a flood. A pause of 1 ms collects many of them; it delays any other message by at most 1 ms.
   */
  #rest(): void {
    this.#counters.floodRests += 1;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), 1);
  }

  #receiveLine(line: Buffer): void {
    if (line.length === 1 && line[0] === 0x0d) return;
    const message = decodeMessage(line);
    if (message.kind === "event") this.#receiveEvent(message.event, line);
    else if (message.kind !== "greeting") this.#calls.settle(message);
    else if (this.#greeting) throw new QmpGreetedAgainError("Expected one greeting, got another");
    else this.#greeted.resolve(message.greeting);
  }

  #receiveEvent(wire: WireEvent, line: Buffer): void {
    if (wire.event === "MIGRATION_PASS") {
      this.#passes.add(line);
      return;
    }
    this.#counters.eventsReceived += 1;
    this.#passes.flush();
    this.#hub.deliver(readEvent(wire));
  }

  #deliverPass(line: Buffer, count: number): void {
    try {
      const message = decodeMessage(line);
      if (message.kind === "event") this.#hub.deliver(readEvent(message.event, count));
    } catch (error) {
      this.#end(asProtocolError(error));
    }
  }

  /** Ends the session. The first cause wins; everything pending is settled once. */
  #end(cause: QmpError | undefined): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#enter("closing");
    this.#cause = cause;
    this.#passes.flush();
    this.#greeted.reject(cause ?? new QmpDisconnectedError("The QMP session was closed"));
    this.#calls.end(cause);
    this.#hub.end(cause);
    this.#socket.destroy();
  }

  #enter(state: QmpState): void {
    this.#state = state;
    this.#onState(state);
  }

  #notRunning(command: string): QmpDisconnectedError {
    const message = `Failed to run \`${command}\`: the QMP session is ${this.#state}`;
    const cause = this.#cause && { cause: this.#cause };
    return new QmpDisconnectedError(message, { command, sent: false, ...cause });
  }
}

/** What users of a session need: for wrappers and fakes. */
export type QmpSession = Pick<
  QmpClient,
  | "address"
  | "closed"
  | "state"
  | "version"
  | "oobEnabled"
  | "counters"
  | "execute"
  | "executeAny"
  | "on"
  | "waitFor"
  | "close"
>;

function asProtocolError(error: unknown): QmpError {
  if (error instanceof QmpError) return error;
  return new QmpProtocolError("Failed to read from QEMU", { cause: error });
}
