import { createHash, timingSafeEqual } from "node:crypto";
import { createInterface } from "node:readline";
import { connect, createServer, type PSKCallbackNegotation, type TLSSocket } from "node:tls";
import { z } from "zod";
import { MigrationId } from "../../../core/id.ts";
import { CommandRefusedError } from "../../command/command-error.ts";

/**
 * The handover link: the two agents of one migration, directly connected on the migration network, so
 * that the target's `cont` follows the source's `completed` within a millisecond and without the
 * cloud. Mutual authentication by a secret of this migration (TLS 1.2 with a pre-shared key, RFC
 * 4279; ECDHE for forward secrecy). JSON lines:
 *
 *   source → target  {"type":"hello","migrationId"}   first line; any other migration's ends the link
 *   source → target  {"type":"completed","wasRunning"} QEMU has completed: the guest is the target's
 *   source → target  {"type":"postcopy","wasRunning"}  the guest is the target's, its memory follows
 *   target → source  {"type":"running"}               the target has taken it (and runs it)
 *
 * A broken link is no failure: the source connects again; without it the target stays paused and the
 * cloud decides.
 */
const Message = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("hello"), migrationId: MigrationId }),
  /** `wasRunning` false: the guest was paused before the migration and stays so. */
  z.strictObject({ type: z.literal("completed"), wasRunning: z.boolean() }),
  z.strictObject({ type: z.literal("postcopy"), wasRunning: z.boolean() }),
  z.strictObject({ type: z.literal("running") }),
]);
type Message = z.infer<typeof Message>;

const TLS = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
const LINE_BYTES_MAX = 4_096;
const RETRY_MS = 250;
/** After the handshake the source's `hello` must come within this. */
const HELLO_MS = 5_000;

type OnCompleted = (wasRunning: boolean, type: "completed" | "postcopy") => Promise<void>;

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

  /** `port` 0: any free port. `onCompleted` may be called again: the source repeats its message. */
  static async listen(options: {
    address: string;
    port: number;
    key: string;
    migrationId: MigrationId;
    onCompleted: OnCompleted;
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

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: TLSSocket, options: { migrationId: MigrationId; onCompleted: OnCompleted }): void {
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
        if (message.migrationId === options.migrationId) this.#peer = socket;
        else socket.destroy();
        return;
      }
      if (this.#peer !== socket || message.type === "running") {
        socket.destroy();
        return;
      }
      options.onCompleted(message.wasRunning, message.type).then(
        () => send(socket, { type: "running" }),
        () => undefined, // The target itself reports it to the cloud.
      );
    });
  }
}

/** The source's side: connects, and connects again after each break. */
export class HandoverClient {
  readonly #address: HandoverAddress;
  readonly #migrationId: MigrationId;
  #socket: TLSSocket | undefined;
  #opening: TLSSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  /** Sent on each new connection. */
  #completed: (Message & { type: "completed" | "postcopy" }) | undefined;
  readonly #running = Promise.withResolvers<boolean>();

  private constructor(address: HandoverAddress, migrationId: MigrationId) {
    this.#address = address;
    this.#migrationId = migrationId;
  }

  /** @throws Error when the first connection does not come up within `timeoutMs`. */
  static async connect(
    address: HandoverAddress,
    migrationId: MigrationId,
    timeoutMs = 5_000,
  ): Promise<HandoverClient> {
    const client = new HandoverClient(address, migrationId);
    try {
      await client.#open(timeoutMs);
    } catch (cause) {
      client.close();
      const where = `${address.address}:${address.port}`;
      throw new CommandRefusedError("refused", `Failed to open the handover link to ${where}`, {
        cause,
      });
    }
    return client;
  }

  /** After a restart of the agent: connects in the background, for as long as it takes. */
  static reattach(address: HandoverAddress, migrationId: MigrationId): HandoverClient {
    const client = new HandoverClient(address, migrationId);
    client.#again(0);
    return client;
  }

  get linkUp(): boolean {
    return this.#socket !== undefined;
  }

  /** Hands the guest over to the target while its memory still follows. */
  postcopy(wasRunning: boolean): void {
    this.#completed = { type: "postcopy", wasRunning };
    if (this.#socket) send(this.#socket, this.#completed);
  }

  /**
   * Hands the guest over after the source has completed; sends it again after a reconnect. Resolves
   * true when the target answers that the guest runs; false when it has not within `timeoutMs`, or
   * when the link is closed.
   */
  async completed(wasRunning: boolean, timeoutMs: number): Promise<boolean> {
    this.#completed = { type: "completed", wasRunning };
    if (this.#socket) send(this.#socket, this.#completed);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    return Promise.race([this.#running.promise, timeout]).finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#running.resolve(false);
    this.#opening?.destroy();
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { address, port, key } = this.#address;
      const socket = connect({
        ...TLS,
        host: address,
        port,
        // The secret authenticates both sides; there is no certificate to check.
        checkServerIdentity: () => undefined,
        pskCallback: (): PSKCallbackNegotation => ({
          psk: Buffer.from(key, "hex"),
          identity: pskIdentity(this.#migrationId),
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
      if (message.type === "running") this.#running.resolve(true);
    });
    send(socket, { type: "hello", migrationId: this.#migrationId });
    if (this.#completed) send(socket, this.#completed);
  }

  #again(afterMs = RETRY_MS): void {
    if (this.#closed) return;
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

/** OpenSSL limits identities to 128 bytes; the id itself is no secret. */
function pskIdentity(migrationId: MigrationId): string {
  return `switchyard-${migrationId}`;
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
