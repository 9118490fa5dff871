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
import { redactArguments } from "./redact.ts";

export type CallOptions = {
  readonly timeoutMs: number;
  readonly oob: boolean;
  readonly signal?: AbortSignal | undefined;
};

export type Reply = Extract<QmpMessage, { kind: "return" | "error" }>;

/**
 * Calls from queue to answer:  waiting -> sent -> settled
 *                                 |        `-> abandoned (timeout, abort) -> late answer dropped
 *                                 `-> settled without ever being sent
 *
 * In-band calls in flight are limited (qmp-spec, "Out-of-band execution"): with out-of-band execution
 * on, QEMU stops reading the socket when its queue of 8 requests is full (QEMU monitor/qmp.c), and then
 * no `yank` is read either. An abandoned call counts until QEMU answers it: it is still in that queue.
 */
type Call = {
  readonly id: number;
  readonly command: string;
  readonly arguments: object | undefined;
  readonly oob: boolean;
  readonly line: string;
  sent: boolean;
  /** Undefined once abandoned. */
  settle: { resolve(value: unknown): void; reject(error: unknown): void } | undefined;
};

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

  /** `write` returns false when the socket's buffer is full; `resume()` is called when it has room. */
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
    if (this.#hasEnded) {
      throw new QmpDisconnectedError(`Failed to run \`${command}\`: the QMP session has ended`);
    }
    // Encoded first: arguments that cannot be encoded must not leave a call in the queue.
    const id = this.#nextId++;
    const line = encodeRequest({ id, command, arguments: args, oob });
    const waiting = oob ? this.#outOfBand : this.#inBand;
    if (waiting.size >= this.#waitingMax) throw new QmpBusyError(command, this.#waitingMax);

    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call: Call = {
      id,
      command,
      arguments: args,
      oob,
      line,
      sent: false,
      settle: { resolve, reject },
    };
    const onAbort = () => this.#abandon(call, signal?.reason);
    const onTimeout = () => {
      if (!call.settle) return;
      this.#counters.timeouts += 1;
      this.#abandon(call, new QmpTimeoutError(command, timeoutMs, call.sent));
    };
    // After one more turn of the event loop: an answer that is already in the socket is in time.
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

  /**
   * Settles the call that an answer belongs to. Answers with an unknown id are dropped (qmp-spec,
   * "Commands Responses").
   *
   * @throws QmpProtocolError for an error without id, which QEMU sends when it cannot parse a request
   *   (qmp-spec, "Error")
   */
  settle(reply: Reply): void {
    this.#counters.repliesReceived += 1;
    if (reply.kind === "error" && reply.id === undefined) {
      throw new QmpProtocolError(`QEMU could not parse a request: ${reply.desc}`);
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
    else settle.reject(commandError(call, reply));
    this.#pump();
  }

  /** The socket accepts data again. */
  resume(): void {
    this.#isBlocked = false;
    this.#pump();
  }

  /** Rejects every call. Nothing is written from here on. */
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

function commandError(call: Call, reply: Reply & { kind: "error" }): QmpCommandError {
  const { command, arguments: args } = call;
  return new QmpCommandError(command, reply.class, reply.desc, redactArguments(args));
}
