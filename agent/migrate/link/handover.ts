import { createHash, timingSafeEqual } from "node:crypto";
import { connect, createServer, type PSKCallbackNegotation, type TLSSocket } from "node:tls";
import type { MigrationId } from "../../../core/id.ts";
import type { Reading } from "../../../core/twin/reading.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import {
  ANSWER_BYTES_MAX,
  type HandedOver,
  type HandoverAnswer,
  LINE_BYTES_MAX,
  MESSAGE_CHARACTERS_MAX,
  type Message,
  readMessages,
  refused,
  send,
} from "./messages.ts";
import { packReading, type ReadKind, unpackReading } from "./reading.ts";

/**
 * The handover link: the two agents of one migration, directly connected on the migration network, so
 * that the target's `cont` follows the source's `completed` within a millisecond and without the
 * cloud. Mutual authentication by a secret of this migration (TLS 1.2 with a pre-shared key, RFC
 * 4279; ECDHE for forward secrecy). messages.ts has what is said on it.
 */

const TLS = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
const RETRY_MS = 250;
/** After the handshake the source's `hello` must come within this. */
const HELLO_MS = 5_000;

/**
 * Lets the guest run where that is needed.
 *
 * @returns the run state in which it was seen
 * @throws Error: the source is answered `refused` with its message
 */
type OnHandedOver = (message: HandedOver) => Promise<string>;

/** Reads the target. @throws Error: the source is answered with its message */
type OnRead = (what: ReadKind) => Promise<Reading>;

export type HandoverAddress = { address: string; port: number; key: string };

/** The target's side: one listener per migration, on a port of its own. */
export class HandoverServer {
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<TLSSocket>();
  #peer: TLSSocket | undefined;

  private constructor(server: ReturnType<typeof createServer>, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** `port` 0: any free port. `onHandedOver` may be called again: the source repeats its message. */
  static async listen(options: {
    address: string;
    port: number;
    key: string;
    migrationId: MigrationId;
    onHandedOver: OnHandedOver;
    onRead: OnRead;
  }): Promise<HandoverServer> {
    const key = Buffer.from(options.key, "hex");
    const identity = pskIdentity(options.migrationId);
    const server = createServer({
      ...TLS,
      handshakeTimeout: 5_000,
      pskCallback: (_socket, offered) => (same(offered, identity) ? key : null),
    });
    server.maxConnections = 8;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, options.address, resolve);
    });
    const bound = server.address();
    if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
    const handover = new HandoverServer(server, bound.port);
    server.on("error", () => undefined);
    server.on("tlsClientError", () => undefined);
    server.on("secureConnection", (socket) => handover.#serve(socket, options));
    return handover;
  }

  get linkUp(): boolean {
    return this.#peer !== undefined;
  }

  /** Reports a refusal after which the target tries again. */
  refuse(message: string): void {
    if (this.#peer) send(this.#peer, refused(message, false));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(
    socket: TLSSocket,
    {
      migrationId,
      onHandedOver,
      onRead,
    }: { migrationId: MigrationId; onHandedOver: OnHandedOver; onRead: OnRead },
  ): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    socket.on("error", () => undefined);
    const silent = setTimeout(() => socket.destroy(), HELLO_MS);
    socket.on("close", () => {
      clearTimeout(silent);
      this.#sockets.delete(socket);
      if (this.#peer === socket) this.#peer = undefined;
    });
    readMessages(socket, LINE_BYTES_MAX, (message) => {
      if (message.type === "hello") {
        clearTimeout(silent);
        if (message.migrationId === migrationId) this.#peer = socket;
        else socket.destroy();
        return;
      }
      if (this.#peer === socket && message.type === "read") {
        void answerRead(socket, message.what, onRead);
        return;
      }
      if (this.#peer !== socket || (message.type !== "completed" && message.type !== "postcopy")) {
        socket.destroy();
        return;
      }
      onHandedOver(message).then(
        (runState) => send(socket, { type: "arrived", runState }),
        (error: unknown) =>
          send(socket, refused(error instanceof Error ? error.message : String(error), true)),
      );
    });
  }
}

export type HandoverClientOptions = {
  address: HandoverAddress;
  migrationId: MigrationId;
  /** Also called for answers that come after `completed` has returned, and for repeated ones. */
  onAnswer?: (answer: HandoverAnswer) => void;
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
  readonly #reads = new Map<ReadKind, PromiseWithResolvers<Reading>>();
  /** Of the first `arrived` or final refusal. */
  readonly #arrived = Promise.withResolvers<boolean>();

  private constructor(options: HandoverClientOptions) {
    this.#options = options;
  }

  /** @throws Error when the first connection does not come up within `timeoutMs`. */
  static async connect(options: HandoverClientOptions, timeoutMs = 5_000): Promise<HandoverClient> {
    const client = new HandoverClient(options);
    try {
      await client.#open(timeoutMs);
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

  /**
   * Reads the target, through its agent.
   *
   * @throws CommandRefusedError `qemu` when the target's agent cannot read it, `timeout` when it has not
   *   answered within `timeoutMs`, or the link broke
   */
  async read(what: ReadKind, timeoutMs: number): Promise<Reading> {
    const reading = Promise.withResolvers<Reading>();
    this.#reads.set(what, reading);
    const timer = setTimeout(
      () => reading.reject(new CommandRefusedError("timeout", unanswered(timeoutMs))),
      timeoutMs,
    );
    if (this.#socket) send(this.#socket, { type: "read", what });
    return reading.promise.finally(() => clearTimeout(timer));
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
    this.#endReads("The handover link was closed");
    this.#opening?.destroy();
    this.#socket?.destroy();
    this.#socket = undefined;
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
      socket.on("error", (error) => {
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
      this.#endReads("The handover link broke before the target's reading had come");
      this.#again();
    });
    readMessages(socket, ANSWER_BYTES_MAX, (message) => {
      if (message.type === "arrived" || message.type === "refused") this.#onAnswer(message);
      else if (message.type === "reading" || message.type === "unread") this.#onRead(message);
    });
    send(socket, { type: "hello", migrationId: this.#options.migrationId });
    if (this.#handedOver) send(socket, this.#handedOver);
  }

  #handOver(message: HandedOver): void {
    this.#handedOver = message;
    if (this.#socket) send(this.#socket, message);
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

  #endReads(why: string): void {
    for (const reading of this.#reads.values()) {
      reading.reject(new CommandRefusedError("refused", why));
    }
    this.#reads.clear();
  }

  #again(afterMs = RETRY_MS): void {
    if (this.#closed || this.#isDone) return;
    this.#retry = setTimeout(() => {
      this.#open(5_000).catch(() => this.#again());
    }, afterMs);
  }
}

async function answerRead(socket: TLSSocket, what: ReadKind, onRead: OnRead): Promise<void> {
  try {
    send(socket, { type: "reading", what, packed: await packReading(await onRead(what)) });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    send(socket, { type: "unread", what, message: why.slice(0, MESSAGE_CHARACTERS_MAX) });
  }
}

function unanswered(timeoutMs: number): string {
  return `The target's agent has not sent its reading for the twin check within ${timeoutMs} ms: see that both agents are of the same version, and that the target's QEMU answers`;
}

/** OpenSSL limits identities to 128 bytes; the id itself is no secret. */
function pskIdentity(migrationId: MigrationId): string {
  return `switchyard-${migrationId}`;
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
