import { connect, createServer, type Server, type Socket } from "node:net";

const SHUT = 1;
const SWITCHOVER_ACK = 7;
/** First byte of a TLS handshake (RFC 8446, 5.1, ContentType); of a frame it is 0. */
const TLS_HANDSHAKE = 22;
const TICK_MS = 20;
/** What fits a packet that is not dropped. */
const SMALL_BYTES = 1_000;

export type RelayHooks = {
  /** The target's ACK arrived; it is forwarded when the promise resolves. */
  onAck?: () => Promise<void>;
  /** The target's last message to the source arrived; the promise decides what becomes of it. */
  onShut?: () => Promise<"pass" | "lose">;
};

/**
 * Forwards TCP connections, and stalls, slows or breaks them. With hooks it parses the return path
 * of QEMU's migration stream on the first connection: frames of be16 type, be16 length and payload
 * (QEMU migration/migration.c, migrate_send_rp_message). An encrypted stream is forwarded as it is.
 */
export class TcpRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #hooks: RelayHooks | undefined;
  readonly #to: { host: string; port: number };
  #connections = 0;
  #stalled = false;
  #isDroppingLarge = false;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #closed = false;

  private constructor(to: { host: string; port: number }, hooks: RelayHooks | undefined) {
    this.#to = to;
    this.#hooks = hooks;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  static async start(to: { host: string; port: number }, hooks?: RelayHooks): Promise<TcpRelay> {
    const relay = new TcpRelay(to, hooks);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once("error", reject);
      relay.#server.listen(0, "127.0.0.1", resolve);
    });
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
    return address.port;
  }

  /** Breaks every connection; new ones are still accepted. */
  cut(): void {
    // A reset of a socket that still connects takes effect only once it is connected.
    for (const socket of this.#sockets) {
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#sockets.clear();
  }

  stall(isStalled: boolean): void {
    this.#stalled = isStalled;
  }

  /**
   * As a path that drops packets over an MTU: what is larger does not arrive, nor does what comes
   * after it on the same connection.
   */
  dropLarge(isDropping: boolean): void {
    this.#isDroppingLarge = isDropping;
  }

  /** Per direction and connection. */
  slow(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  close(): void {
    this.#closed = true;
    this.cut();
    this.#server.close();
  }

  #accept(source: Socket): void {
    const isMain = this.#connections === 0;
    this.#connections += 1;
    const target = connect({ ...this.#to, allowHalfOpen: true });
    for (const socket of [source, target]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
    }
    source.on("close", () => target.destroy());
    target.on("close", () => source.destroy());
    void this.#pump(source, target);
    void (isMain && this.#hooks ? this.#pumpFrames(target, source) : this.#pump(target, source));
  }

  async #pump(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from) await this.#send(chunk as Buffer, to);
      if (to.writable) to.end();
    } catch {
      to.destroy();
    }
  }

  async #pumpFrames(from: Socket, to: Socket): Promise<void> {
    let rest = Buffer.alloc(0);
    let isEncrypted: boolean | undefined;
    try {
      for await (const chunk of from) {
        isEncrypted ??= (chunk as Buffer)[0] === TLS_HANDSHAKE;
        if (isEncrypted) {
          await this.#send(chunk as Buffer, to);
          continue;
        }
        rest = Buffer.concat([rest, chunk as Buffer]);
        while (rest.length >= 4 && rest.length >= 4 + rest.readUInt16BE(2)) {
          const end = 4 + rest.readUInt16BE(2);
          await this.#sendFrame(rest.subarray(0, end), to);
          rest = rest.subarray(end);
        }
      }
      if (to.writable) to.end(rest);
    } catch {
      to.destroy();
    }
  }

  async #sendFrame(frame: Buffer, to: Socket): Promise<void> {
    const type = frame.readUInt16BE(0);
    if (type === SWITCHOVER_ACK) await this.#hooks?.onAck?.();
    if (type === SHUT && (await this.#hooks?.onShut?.()) === "lose") {
      // As when the connection breaks: nothing after it arrives either.
      to.resetAndDestroy();
      return;
    }
    await this.#send(frame, to);
  }

  #isHeld({ length }: Buffer): boolean {
    return this.#stalled || (this.#isDroppingLarge && length > SMALL_BYTES);
  }

  async #send(bytes: Buffer, to: Socket): Promise<void> {
    let offset = 0;
    while (offset < bytes.length) {
      while (this.#isHeld(bytes) && !this.#closed && !to.destroyed) await pause(TICK_MS);
      if (to.destroyed) throw new Error("The peer has closed the connection");
      const size = Math.max(1, Math.floor((this.#bytesPerSecond * TICK_MS) / 1_000));
      const part = bytes.subarray(offset, offset + Math.min(size, bytes.length));
      const drained = to.write(part);
      if (Number.isFinite(this.#bytesPerSecond)) await pause(TICK_MS);
      if (!drained) await drain(to);
      offset += part.length;
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function drain(to: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      to.off("drain", done);
      to.off("close", done);
      resolve();
    };
    to.on("drain", done);
    to.on("close", done);
  });
}
