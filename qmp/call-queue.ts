import type { QmpCounters } from "./counters.ts";
import {
  QmpBusyError,
  QmpCommandError,
  QmpDisconnectedError,
  type QmpError,
  QmpProtocolError,
  QmpTimeoutError,
} from "./error.ts";
import { encodeRequest, type QmpMessage } from "./message.ts";

export interface CallOptions {
  readonly timeoutMs: number;
  readonly oob: boolean;
  readonly signal?: AbortSignal | undefined;
}

export type Reply = Extract<QmpMessage, { kind: "return" | "error" }>;

/**
 * Calls from queue to answer:  waiting -> sent -> settled
 *                                 |        `-> abandoned (timeout, abort) -> late answer dropped
 *                                 `-> settled without ever being sent
 *
 * In-band calls in flight are limited: with out-of-band execution on, QEMU stops reading the socket
 * when its own queue of 8 is full, and then no `yank` gets through either. An abandoned call keeps its
 * place until QEMU answers it, because it still lies in QEMU's queue.
 */
interface Call {
  readonly id: number;
  readonly command: string;
  readonly oob: boolean;
  readonly line: string;
  sent: boolean;
  /** Undefined once abandoned. */
  settle: { resolve(value: unknown): void; reject(error: unknown): void } | undefined;
}

export class CallQueue {
  readonly #write: (line: string) => boolean;
  readonly #counters: QmpCounters;
  readonly #inBandMax: number;
  readonly #waitingMax: number;
  readonly #sent = new Map<number, Call>();
  readonly #inBand = new Set<Call>();
  readonly #outOfBand = new Set<Call>();
  #inBandInFlight = 0;
  #nextId = 1;
  #isBlocked = false;
  #hasEnded = false;

  /** `write` returns false when the socket wants no more until `resume()`. */
  constructor(options: {
    readonly write: (line: string) => boolean;
    readonly counters: QmpCounters;
    readonly inBandMax: number;
    readonly waitingMax: number;
  }) {
    this.#write = options.write;
    this.#counters = options.counters;
    this.#inBandMax = options.inBandMax;
    this.#waitingMax = options.waitingMax;
  }

  async run(command: string, args: object | undefined, options: CallOptions): Promise<unknown> {
    const { timeoutMs, signal, oob } = options;
    signal?.throwIfAborted();
    if (this.#hasEnded)
      throw new QmpDisconnectedError(`Failed to run \`${command}\`: session over`);
    // Encoded first: arguments that cannot be written must not leave a call behind.
    const id = this.#nextId++;
    const line = encodeRequest({ id, command, arguments: args, oob });
    const waiting = oob ? this.#outOfBand : this.#inBand;
    if (waiting.size >= this.#waitingMax) throw new QmpBusyError(command, this.#waitingMax);

    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call: Call = { id, command, oob, line, sent: false, settle: { resolve, reject } };
    const onAbort = () => this.#abandon(call, signal?.reason);
    const onTimeout = () => {
      if (!call.settle) return;
      this.#counters.timeouts += 1;
      this.#abandon(call, new QmpTimeoutError(command, timeoutMs, call.sent));
    };
    // One more turn of the event loop: an answer that already lies in the socket is not late.
    const timer = setTimeout(() => setImmediate(onTimeout), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    waiting.add(call);
    this.#pump();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Takes an answer. Throws QmpProtocolError for an error without id: QEMU could not read us. */
  settle(reply: Reply): void {
    this.#counters.repliesReceived += 1;
    if (reply.kind === "error" && reply.id === undefined) {
      throw new QmpProtocolError(`QEMU could not read a request: ${reply.desc}`);
    }
    const call = typeof reply.id === "number" ? this.#sent.get(reply.id) : undefined;
    if (!call) {
      this.#counters.unknownRepliesDropped += 1;
      return;
    }
    this.#sent.delete(call.id);
    if (!call.oob) this.#inBandInFlight -= 1;
    const settle = call.settle;
    call.settle = undefined;
    if (!settle) this.#counters.lateRepliesDropped += 1;
    else if (reply.kind === "return") settle.resolve(reply.value);
    else settle.reject(new QmpCommandError(call.command, reply.class, reply.desc));
    this.#pump();
  }

  /** The socket takes more. */
  resume(): void {
    this.#isBlocked = false;
    this.#pump();
  }

  /** Rejects every call; nothing is written any more. */
  end(cause: QmpError | undefined): void {
    this.#isBlocked = true;
    this.#hasEnded = true;
    const calls = [...this.#sent.values(), ...this.#outOfBand, ...this.#inBand];
    this.#sent.clear();
    this.#outOfBand.clear();
    this.#inBand.clear();
    for (const { command, sent, settle } of calls) {
      const options = { command, sent, ...(cause && { cause }) };
      const message = `The QMP session ended before \`${command}\` was answered`;
      settle?.reject(new QmpDisconnectedError(message, options));
    }
  }

  #abandon(call: Call, error: unknown): void {
    call.settle?.reject(error);
    call.settle = undefined;
    if (!call.sent) (call.oob ? this.#outOfBand : this.#inBand).delete(call);
  }

  #pump(): void {
    while (!this.#isBlocked) {
      const call = this.#takeNext();
      if (!call) return;
      call.sent = true;
      this.#sent.set(call.id, call);
      this.#counters.commandsSent += 1;
      this.#isBlocked = !this.#write(call.line);
    }
  }

  #takeNext(): Call | undefined {
    const [outOfBand] = this.#outOfBand;
    if (outOfBand) {
      this.#outOfBand.delete(outOfBand);
      return outOfBand;
    }
    const [inBand] = this.#inBand;
    if (!inBand || this.#inBandInFlight >= this.#inBandMax) return undefined;
    this.#inBand.delete(inBand);
    this.#inBandInFlight += 1;
    return inBand;
  }
}
