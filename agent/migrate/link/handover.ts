import { createHash, timingSafeEqual } from "node:crypto";
import { createInterface } from "node:readline";
import { connect, createServer, type PSKCallbackNegotation, type TLSSocket } from "node:tls";
import { z } from "zod";
import { MigrationId } from "../../../core/id.ts";
import { CommandRefusedError } from "../../command/command-error.ts";

/** In UTF-8 and JSON at most six bytes each: the line stays below its limit. */
const MESSAGE_CHARACTERS_MAX = 500;
const RunState = z.string().min(1).max(64);

/**
 * The handover link: the two agents of one migration, directly connected on the migration network, so
 * that the target's `cont` follows the source's `completed` within a millisecond and without the
 * cloud. Mutual authentication by a secret of this migration (TLS 1.2 with a pre-shared key, RFC
 * 4279; ECDHE for forward secrecy). JSON lines; run states are those of query-status:
 *
 *   source → target  {"type":"hello","migrationId"}    first line; any other migration's ends the link
 *   source → target  {"type":"completed","runState"}   QEMU has completed: the guest is the target's
 *   source → target  {"type":"postcopy","runState"}    the guest is the target's, its memory follows
 *   target → source  {"type":"arrived","runState"}     the guest was seen in the run state in which it
 *                                                      left the source
 *   target → source  {"type":"refused","message","final"}  QEMU refused to run the guest, or it was not
 *                                                      seen; `final`: the target tries no more by itself
 *
 * The source repeats its last message on each new connection and is answered again. A broken link is no
 * failure: the source connects again; without it the target stays paused and the cloud decides. The
 * link stays after the answer, until the source is discarded or resumed.
 */
const Message = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("hello"), migrationId: MigrationId }),
  z.strictObject({ type: z.literal("completed"), runState: RunState }),
  z.strictObject({ type: z.literal("postcopy"), runState: RunState }),
  z.strictObject({ type: z.literal("arrived"), runState: RunState }),
  z.strictObject({
    type: z.literal("refused"),
    message: z.string().max(MESSAGE_CHARACTERS_MAX),
    final: z.boolean(),
  }),
]);
type Message = z.infer<typeof Message>;

/** From the source: the guest is the target's. `runState`: the guest's before the switchover. */
export type HandedOver = Extract<Message, { type: "completed" | "postcopy" }>;
/** From the target. */
export type HandoverAnswer = Extract<Message, { type: "arrived" | "refused" }>;

const TLS = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
const LINE_BYTES_MAX = 4_096;
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
    { migrationId, onHandedOver }: { migrationId: MigrationId; onHandedOver: OnHandedOver },
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
    readMessages(socket, (message) => {
      if (message.type === "hello") {
        clearTimeout(silent);
        if (message.migrationId === migrationId) this.#peer = socket;
        else socket.destroy();
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
      this.#again();
    });
    readMessages(socket, (message) => {
      if (message.type === "arrived" || message.type === "refused") this.#onAnswer(message);
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

  #again(afterMs = RETRY_MS): void {
    if (this.#closed || this.#isDone) return;
    this.#retry = setTimeout(() => {
      this.#open(5_000).catch(() => this.#again());
    }, afterMs);
  }
}

function readMessages(socket: TLSSocket, onMessage: (message: Message) => void): void {
  let unread = 0;
  socket.on("data", (chunk: Buffer) => {
    const lastBreak = chunk.lastIndexOf(10);
    unread = lastBreak === -1 ? unread + chunk.length : chunk.length - lastBreak;
    if (unread > LINE_BYTES_MAX) socket.destroy();
  });
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("error", () => undefined);
  lines.on("line", (line) => {
    // Lines that came in the same packet after the one that ended the connection.
    if (socket.destroyed) return;
    try {
      onMessage(Message.parse(JSON.parse(line)));
    } catch {
      socket.destroy();
    }
  });
}

function send(socket: TLSSocket, message: Message): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

function refused(message: string, final: boolean): Message {
  return { type: "refused", message: message.slice(0, MESSAGE_CHARACTERS_MAX), final };
}

/** OpenSSL limits identities to 128 bytes; the id itself is no secret. */
function pskIdentity(migrationId: MigrationId): string {
  return `switchyard-${migrationId}`;
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
