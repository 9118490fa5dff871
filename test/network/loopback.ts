import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { Child } from "../../rig/child.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { Network } from "./namespaces.ts";

const SCRIPT = new URL("inside/loopback.ts", import.meta.url).pathname;
const START_MS = 30_000;

/**
 * Lets the agents in other namespaces reach ports of this one's loopback, at the same addresses: the
 * local services take only callers that name them by a loopback address. Between the namespaces lie
 * UNIX sockets in `folder`, which they share.
 */
export class SharedLoopback {
  readonly #folder: string;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #children: Child[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(ports: readonly number[], namespaces: readonly string[]): Promise<void> {
    await Promise.all(ports.map((port) => this.#serve(port)));
    const words = ports.flatMap((port) => [String(port), this.#path(port)]);
    for (const namespace of namespaces) {
      const logFile = join(this.#folder, `${namespace}.log`);
      const child = new Child({
        name: `loopback of ${namespace}`,
        args: [SCRIPT, ...words],
        environment: {},
        wrapper: Network.inside(namespace),
        logFile,
      });
      this.#children.push(child);
      await waitUntil(
        child.name,
        () => {
          if (!child.isRunning) throw new Error(`The ${child.name} ended: ${child.logTail()}`);
          return child.logTail().includes("ready") ? true : undefined;
        },
        { timeoutMs: START_MS },
      );
    }
  }

  /** May be called again. */
  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#children.map((child) => child.stop()));
  }

  #path(port: number): string {
    return join(this.#folder, `${port}.sock`);
  }

  async #serve(port: number): Promise<void> {
    const server = createServer((socket) => {
      const other = connect(port, "127.0.0.1");
      for (const one of [socket, other]) {
        this.#sockets.add(one);
        one.on("close", () => this.#sockets.delete(one));
      }
      socket.pipe(other).pipe(socket);
      socket.on("error", () => other.destroy());
      other.on("error", () => socket.destroy());
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(this.#path(port), resolve);
    });
  }
}
