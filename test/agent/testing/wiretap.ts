import { connect, createServer, type Server, type Socket } from "node:net";

/** Kept of each connection, both directions together, bytes. */
const KEPT_BYTES = 8 << 20;

/** A TCP proxy on loopback that remembers what it carried. */
export class Wiretap {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #kept: Buffer[][] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** In front of `tcp:127.0.0.1:<port>`. */
  static async before(uri: string): Promise<Wiretap> {
    const port = Number(uri.split(":").at(-1));
    const server = createServer();
    const tap = new Wiretap(server);
    server.on("connection", (near) => {
      const kept: Buffer[] = [];
      tap.#kept.push(kept);
      const far = connect(port, "127.0.0.1");
      tap.#join(near, far, kept);
      tap.#join(far, near, kept);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return tap;
  }

  get uri(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
    return `tcp:127.0.0.1:${address.port}`;
  }

  /** The first bytes of each connection and what followed, in the order they were opened. */
  get connections(): Buffer[] {
    return this.#kept.map((chunks) => Buffer.concat(chunks));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(from: Socket, to: Socket, kept: Buffer[]): void {
    this.#sockets.add(from);
    let count = 0;
    from.on("data", (chunk: Buffer) => {
      if (count < KEPT_BYTES) kept.push(chunk);
      count += chunk.length;
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
