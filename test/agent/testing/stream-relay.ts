import { connect, createServer, type Server, type Socket } from "node:net";

/** Passes one migration stream on over loopback, and can break it. */
export class StreamRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param uri `tcp:127.0.0.1:port`, where the target listens */
  static async start(uri: string): Promise<StreamRelay> {
    const port = Number(uri.split(":").at(-1));
    const server = createServer({ allowHalfOpen: true });
    const relay = new StreamRelay(server);
    server.on("connection", (near) => {
      const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        relay.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => {
          relay.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return relay;
  }

  get uri(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
    return `tcp:127.0.0.1:${address.port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}
