import { setTimeout as delay } from "node:timers/promises";
import { connect, type PSKCallbackNegotation, type TLSSocket } from "node:tls";
import type { MigrationId } from "../../../core/id.ts";
import type { Reading } from "../../../core/twin/reading.ts";
import type { Inspection, Witness } from "../../../core/twin/storage.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import { AwakeClock } from "../../runtime/awake-clock.ts";
import { type CopyAnswer, isCopyAnswer } from "./copy-message.ts";
import {
  ANSWER_BYTES_MAX,
  type HandedOver,
  type HandoverAddress,
  type HandoverAnswer,
  type InspectRequest,
  type Message,
  pskIdentity,
  readMessages,
  send,
  TLS,
} from "./handover-protocol.ts";
import { PATH_HINT } from "./path-hint.ts";
import { type ReadKind, unpackReading } from "./reading.ts";
import { type FromSource, type FromTarget, isFromTarget } from "./watch-message.ts";

const RETRY_MS = 250;
const PING_MS = 1_000;

export type HandoverClientOptions = {
  address: HandoverAddress;
  migrationId: MigrationId;
  /** Also called for answers that come after `completed` has returned, and for repeated ones. */
  onAnswer?: (answer: HandoverAnswer) => void;
  /** Called before the guest is handed over on a connection: from there on the target may have it. */
  beforeHandOver?: () => void;
};

/** The source's side: connects, and connects again after each break. */
export class HandoverClient {
  readonly #options: HandoverClientOptions;
  #socket: TLSSocket | undefined;
  #opening: TLSSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  /** Sent on each new connection. */
  #handedOver: HandedOver | undefined;
  /** The target has answered that the whole guest is there: a new connection has no use. */
  #isDone = false;
  /** Of the first `arrived` or final refusal. */
  readonly #arrived = Promise.withResolvers<boolean>();
  /** Called with what the target's agent reports before the handover. */
  onWatch: ((message: FromTarget) => void) | undefined;
  readonly #reads = new Map<ReadKind, PromiseWithResolvers<Reading>>();
  /** Not answered yet: sent again on each new connection. */
  readonly #questions = new Set<Message>();
  readonly #inspecting = new Map<Witness, PromiseWithResolvers<Inspection[]>>();
  #copying: PromiseWithResolvers<CopyAnswer> | undefined;
  #pinging: NodeJS.Timeout | undefined;
  readonly #clock = new AwakeClock(PING_MS);
  #heardAtMs = this.#clock.nowMs;

  private constructor(options: HandoverClientOptions) {
    this.#options = options;
  }

  /** @throws Error when the first connection does not come up within `timeoutMs`. */
  static async connect(options: HandoverClientOptions, timeoutMs = 5_000): Promise<HandoverClient> {
    const client = new HandoverClient(options);
    try {
      await client.#openWithin(timeoutMs);
    } catch (cause) {
      client.close();
      const where = `${options.address.address}:${options.address.port}`;
      throw new CommandRefusedError("refused", `Failed to open the handover link to ${where}`, {
        cause,
      });
    }
    return client;
  }

  /** After a restart of the agent: connects in the background, for as long as it takes. */
  static reattach(options: HandoverClientOptions): HandoverClient {
    const client = new HandoverClient(options);
    client.#again(0);
    return client;
  }

  get linkUp(): boolean {
    return this.#socket !== undefined;
  }

  /** Sends to the target; dropped while the link is broken. */
  send(message: FromSource): void {
    if (this.#socket) send(this.#socket, message);
  }

  /** From here on the target's agent is asked for a sign of life each second. */
  startPings(): void {
    this.#clock.tick();
    this.#heardAtMs = this.#clock.nowMs;
    this.#pinging ??= setInterval(() => {
      this.#clock.tick();
      if (this.#socket) send(this.#socket, { type: "ping" });
    }, PING_MS);
  }

  /**
   * Since `startPings`: time since the last sign of life of the target's host, ms, without the time
   * for which this process did not run. A refused connection is a sign of life, too.
   */
  get silentMs(): number {
    return this.#clock.nowMs - this.#heardAtMs;
  }

  /**
   * Reads the target, through its agent; asks again after a reconnect.
   *
   * @throws CommandRefusedError `qemu` when the target's agent cannot read it, `timeout` when it has not
   *   answered within `timeoutMs`, `refused` when the link was closed
   */
  async read(what: ReadKind, timeoutMs: number): Promise<Reading> {
    const reading = Promise.withResolvers<Reading>();
    this.#reads.set(what, reading);
    const asking = this.#ask({ type: "read", what }, reading, timeoutMs);
    return await asking.finally(() => this.#reads.delete(what));
  }

  /**
   * Asks what the target sees of its files, in the order of its reading.
   *
   * @throws CommandRefusedError `timeout`, `refused` as `read` does
   */
  async inspect(request: InspectRequest, timeoutMs: number): Promise<Inspection[]> {
    const inspected = Promise.withResolvers<Inspection[]>();
    this.#inspecting.set(request.witness, inspected);
    const asking = this.#ask({ type: "inspect", ...request }, inspected, timeoutMs);
    return await asking.finally(() => this.#inspecting.delete(request.witness));
  }

  /**
   * Asks for the target's images as exports; asks again after a reconnect.
   *
   * @returns their port
   * @throws CommandRefusedError `qemu` with the target's words; `timeout`, `refused` as `read` does
   */
  async openExports(timeoutMs: number): Promise<number> {
    const answer = await this.#askForCopy({ type: "open-exports" }, timeoutMs);
    if (answer.type === "exports-open") return answer.port;
    throw new CommandRefusedError("qemu", `The target's agent answers ${answer.type}`);
  }

  /** Has the exports closed, before the guest may run on the target. @throws as `openExports` */
  async closeExports(timeoutMs: number): Promise<void> {
    const { type } = await this.#askForCopy({ type: "close-exports" }, timeoutMs);
    if (type === "exports-closed") return;
    throw new CommandRefusedError("qemu", `The target's agent answers ${type}`);
  }

  async #askForCopy(
    question: Extract<Message, { type: "open-exports" | "close-exports" }>,
    timeoutMs: number,
  ): Promise<CopyAnswer> {
    const copying = Promise.withResolvers<CopyAnswer>();
    this.#copying = copying;
    const answer = await this.#ask(question, copying, timeoutMs);
    if (answer.type !== "exports-failed") return answer;
    throw new CommandRefusedError("qemu", `The target's agent reports: ${answer.message}`);
  }

  async #ask<T>(
    message: Message,
    { promise, reject }: PromiseWithResolvers<T>,
    timeoutMs: number,
  ): Promise<T> {
    this.#questions.add(message);
    const timer = setTimeout(
      () => reject(new CommandRefusedError("timeout", unanswered(timeoutMs))),
      timeoutMs,
    );
    if (this.#socket) send(this.#socket, message);
    return await promise.finally(() => {
      clearTimeout(timer);
      this.#questions.delete(message);
    });
  }

  /** Hands the guest over to the target while its memory still follows. */
  postcopy(runState: string): void {
    this.#handOver({ type: "postcopy", runState });
  }

  /**
   * Hands the guest over after the source has completed; sends it again after a reconnect. Resolves
   * true when the target answers that the guest has arrived; false at a final refusal, when no answer
   * has come within `timeoutMs`, and when the link is closed. Later answers go to `onAnswer`.
   */
  async completed(runState: string, timeoutMs: number): Promise<boolean> {
    this.#handOver({ type: "completed", runState });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    return Promise.race([this.#arrived.promise, timeout]).finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#arrived.resolve(false);
    clearInterval(this.#pinging);
    this.#endReads();
    this.#opening?.destroy();
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  /** Tries again until the deadline: strangers may have used up the listener for a moment. */
  async #openWithin(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const leftMs = deadline - performance.now();
      try {
        return await this.#open(Math.max(leftMs, 1));
      } catch (error) {
        if (leftMs <= RETRY_MS) throw error;
      }
      await delay(RETRY_MS);
    }
  }

  #open(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { address, port, key } = this.#options.address;
      const socket = connect({
        ...TLS,
        host: address,
        port,
        // The secret authenticates both sides; there is no certificate to check.
        checkServerIdentity: () => undefined,
        pskCallback: (): PSKCallbackNegotation => ({
          psk: Buffer.from(key, "hex"),
          identity: pskIdentity(this.#options.migrationId),
        }),
      });
      this.#opening = socket;
      const timer = setTimeout(() => socket.destroy(new Error("timed out")), timeoutMs);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 5_000);
      socket.once("secureConnect", () => {
        clearTimeout(timer);
        this.#opening = undefined;
        this.#connected(socket);
        resolve();
      });
      socket.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "ECONNREFUSED") this.#heardAtMs = this.#clock.nowMs;
        clearTimeout(timer);
        reject(error);
      });
      socket.once("close", () => {
        clearTimeout(timer);
        reject(new Error("closed"));
      });
    });
  }

  #connected(socket: TLSSocket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#again();
    });
    this.#heardAtMs = this.#clock.nowMs;
    readMessages(socket, ANSWER_BYTES_MAX, (message) => {
      this.#heardAtMs = this.#clock.nowMs;
      if (message.type === "arrived" || message.type === "refused") this.#onAnswer(message);
      else if (message.type === "reading" || message.type === "unread") this.#onRead(message);
      else if (message.type === "inspected")
        this.#inspecting.get(message.witness)?.resolve(message.files);
      else if (isCopyAnswer(message)) this.#copying?.resolve(message);
      else if (isFromTarget(message)) this.onWatch?.(message);
    });
    send(socket, { type: "hello", migrationId: this.#options.migrationId });
    for (const question of this.#questions) send(socket, question);
    this.#sendHandedOver(socket);
  }

  #handOver(message: HandedOver): void {
    this.#handedOver = message;
    if (this.#socket) this.#sendHandedOver(this.#socket);
  }

  #sendHandedOver(socket: TLSSocket): void {
    if (this.#handedOver === undefined) return;
    this.#options.beforeHandOver?.();
    send(socket, this.#handedOver);
  }

  #onAnswer(answer: HandoverAnswer): void {
    this.#isDone ||= answer.type === "arrived" && this.#handedOver?.type === "completed";
    if (answer.type === "arrived") this.#arrived.resolve(true);
    else if (answer.final) this.#arrived.resolve(false);
    this.#options.onAnswer?.(answer);
  }

  #onRead(message: Extract<Message, { type: "reading" | "unread" }>): void {
    const reading = this.#reads.get(message.what);
    if (message.type === "reading") {
      unpackReading(message.packed).then(reading?.resolve, reading?.reject);
      return;
    }
    const why = `The target's QEMU cannot be read for the twin check: ${message.message}`;
    reading?.reject(new CommandRefusedError("qemu", why));
  }

  #endReads(): void {
    const why = "The handover link was closed before the target had answered";
    const copying = this.#copying === undefined ? [] : [this.#copying];
    for (const { reject } of [...this.#reads.values(), ...this.#inspecting.values(), ...copying]) {
      reject(new CommandRefusedError("refused", why));
    }
    this.#reads.clear();
    this.#inspecting.clear();
  }

  #again(afterMs = RETRY_MS): void {
    if (this.#closed || this.#isDone) return;
    this.#retry = setTimeout(() => {
      this.#open(5_000).catch(() => this.#again());
    }, afterMs);
  }
}

function unanswered(timeoutMs: number): string {
  return `The target's agent has not answered over the handover link within ${timeoutMs} ms: see that both agents are of the same version, and that the target's QEMU answers; or ${PATH_HINT}`;
}
