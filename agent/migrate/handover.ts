import { createHash, timingSafeEqual } from "node:crypto";
import { createInterface } from "node:readline";
import { connect, createServer, type PSKCallbackNegotation, type TLSSocket } from "node:tls";
import { z } from "zod";
import { MigrationId } from "../../core/id.ts";

/**
 * The handover link: the two agents of one migration, directly connected on the migration network, so
 * that the target's `cont` follows the source's `completed` within a millisecond and without the
 * cloud. Mutual authentication by a secret of this migration (TLS 1.2 with a pre-shared key, RFC
 * 4279; ECDHE for forward secrecy). JSON lines:
 *
 *   source → target  {"type":"hello","migrationId"}   first line; another migration's is cut off
 *   source → target  {"type":"completed"}             QEMU has completed: the target may run
 *   target → source  {"type":"running"}               the guest runs on the target
 *
 * A broken link is no failure: the source connects again; without it the target stays paused and the
 * cloud decides.
 */
const Message = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("hello"), migrationId: MigrationId }),
  z.strictObject({ type: z.literal("completed") }),
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

export type HandoverAddress = { address: string; port: number; key: string };

/** The target's end: one listener per migration, on a port of its own. */
export class HandoverServer {
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<TLSSocket>();
  #peer: TLSSocket | undefined;

  private constructor(server: ReturnType<typeof createServer>, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** `port` 0 takes a free one. `onCompleted` may be called again when the source repeats itself. */
  static async listen(options: {
    address: string;
    port: number;
    key: string;
    migrationId: MigrationId;
    onCompleted: () => Promise<void>;
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

  #serve(
    socket: TLSSocket,
    options: { migrationId: MigrationId; onCompleted: () => Promise<void> },
  ): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (this.#peer === socket) this.#peer = undefined;
    });
    readMessages(socket, (message) => {
      if (message.type === "hello") {
        if (message.migrationId === options.migrationId) this.#peer = socket;
        else socket.destroy();
        return;
      }
      if (this.#peer !== socket || message.type !== "completed") {
        socket.destroy();
        return;
      }
      options.onCompleted().then(
        () => send(socket, { type: "running" }),
        () => undefined, // The cloud is told by the target itself.
      );
    });
  }
}

/** The source's end: connects, stays connected, connects again. */
export class HandoverClient {
  readonly #address: HandoverAddress;
  readonly #migrationId: MigrationId;
  #socket: TLSSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #completed = false;
  readonly #running = Promise.withResolvers<void>();

  private constructor(address: HandoverAddress, migrationId: MigrationId) {
    this.#address = address;
    this.#migrationId = migrationId;
  }

  /**
   * @throws Error when the first connection does not come up within `timeoutMs`; unless `lazy`, which
   *   keeps trying in the background (after a restart of the agent).
   */
  static async connect(
    address: HandoverAddress,
    migrationId: MigrationId,
    options: { timeoutMs?: number; lazy?: boolean } = {},
  ): Promise<HandoverClient> {
    const client = new HandoverClient(address, migrationId);
    const { timeoutMs = 5_000, lazy = false } = options;
    try {
      await client.#open(timeoutMs);
    } catch (cause) {
      if (!lazy) {
        client.close();
        const where = `${address.address}:${address.port}`;
        throw new Error(`Failed to open the handover link to ${where}`, { cause });
      }
      client.#again();
    }
    return client;
  }

  get linkUp(): boolean {
    return this.#socket !== undefined;
  }

  /**
   * Tells the target that the source has completed. Resolves true when the target says that the guest
   * runs; false when it did not within `timeoutMs`. Goes on telling it after a reconnect.
   */
  async completed(timeoutMs: number): Promise<boolean> {
    this.#completed = true;
    if (this.#socket) send(this.#socket, { type: "completed" });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const running = this.#running.promise.then(() => true);
    return Promise.race([running, timeout]).finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
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
        // The secret authenticates both ends; there is no certificate to check.
        checkServerIdentity: () => undefined,
        pskCallback: (): PSKCallbackNegotation => ({
          psk: Buffer.from(key, "hex"),
          identity: pskIdentity(this.#migrationId),
        }),
      });
      const timer = setTimeout(() => socket.destroy(new Error("timed out")), timeoutMs);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 5_000);
      socket.once("secureConnect", () => {
        clearTimeout(timer);
        this.#connected(socket);
        resolve();
      });
      socket.once("error", (error) => {
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
      if (message.type === "running") this.#running.resolve();
    });
    send(socket, { type: "hello", migrationId: this.#migrationId });
    if (this.#completed) send(socket, { type: "completed" });
  }

  #again(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#open(5_000).catch(() => this.#again());
    }, RETRY_MS);
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
