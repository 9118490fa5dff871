import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringifyJson } from "../integer.ts";
import type { QmpAddress } from "../open-socket.ts";
import { type FakeRequest, FakeSession, type FakeSessionOptions } from "./fake-session.ts";

export type FakeServerOptions = FakeSessionOptions & {
  /** Listen on 127.0.0.1 instead of a UNIX socket. */
  readonly tcp?: boolean;
};

/**
 * A scripted QMP server for tests. Like QEMU it serves one client at a time, executes in-band commands
 * one by one, and stops reading when 8 of them wait.
 *
 * @example
 * const qemu = await FakeQmpServer.start({ commands: { "query-status": () => ({ ... }) } });
 * const qmp = await QmpClient.connect(qemu.address);
 * qemu.emit("STOP");
 * await qemu.close();
 */
export class FakeQmpServer {
  readonly address: QmpAddress;
  /** All requests that were read, in order. */
  readonly requests: FakeRequest[] = [];
  /** Commands the fake did not know: empty when a test has scripted everything it uses. */
  readonly unknownCommands: string[] = [];
  readonly #server: Server;
  readonly #dir: string;
  readonly #options: FakeServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: Socket[] = [];
  #session: FakeSession | undefined;

  static async start(options: FakeServerOptions = {}): Promise<FakeQmpServer> {
    const dir = await mkdtemp(join(tmpdir(), "fake-qmp-"));
    const server = createServer();
    const path = join(dir, "qmp.sock");
    server.listen(options.tcp ? { host: "127.0.0.1", port: 0 } : { path });
    await once(server, "listening");
    const address = options.tcp
      ? { host: "127.0.0.1", port: (server.address() as AddressInfo).port }
      : { path };
    return new FakeQmpServer({ address, server, dir, options });
  }

  private constructor(init: {
    readonly address: QmpAddress;
    readonly server: Server;
    readonly dir: string;
    readonly options: FakeServerOptions;
  }) {
    this.address = init.address;
    this.#server = init.server;
    this.#dir = init.dir;
    this.#options = init.options;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      this.#waiting.push(socket);
      this.#serveNext();
    });
  }

  get isConnected(): boolean {
    return this.#session !== undefined;
  }

  /** Sends an event; resolves when it is written. */
  emit(event: string, data?: object, timestampMs = Date.now()): Promise<void> {
    return this.send(`${encodeEvent(event, data, timestampMs)}\r\n`);
  }

  /** Sends `count` MIGRATION_PASS events, numbered from `firstPass`, as fast as they are taken. */
  async floodPass(count: number, firstPass = 1): Promise<void> {
    for (let sent = 0; sent < count; ) {
      const lines: string[] = [];
      for (; sent < count && lines.length < 500; sent++) {
        lines.push(passLine(firstPass + sent));
      }
      await this.send(lines.join(""));
    }
  }

  /** Sends bytes as they are. @throws Error when no client is connected */
  send(data: string | Buffer): Promise<void> {
    return this.#current().send(data);
  }

  /** "in-band": the main loop hangs, out-of-band works. "all": the process is stopped. */
  stall(what: "in-band" | "all"): void {
    this.#current().stall(what);
  }

  resume(): void {
    this.#current().resume();
  }

  /** Drops the connection; the server goes on listening. */
  cut(): void {
    this.#current().cut();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) {
      this.#server.close();
      await once(this.#server, "close");
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  #current(): FakeSession {
    if (!this.#session) throw new Error("Expected a client to be connected to the fake");
    return this.#session;
  }

  #serveNext(): void {
    if (this.#session) return;
    const socket = this.#waiting.shift();
    if (!socket) return;
    const session = new FakeSession(socket, this.#options, (request, isKnown) => {
      this.requests.push(request);
      if (!isKnown) this.unknownCommands.push(request.command);
    });
    this.#session = session;
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (this.#session === session) this.#session = undefined;
      this.#serveNext();
    });
  }
}

/** An event as QEMU writes it. */
export function encodeEvent(event: string, data?: object, timestampMs = Date.now()): string {
  const seconds = Math.floor(timestampMs / 1000);
  const microseconds = Math.round((timestampMs % 1000) * 1000);
  const tail = data ? `, "data": ${stringifyJson(data)}` : "";
  const timestamp = `{"seconds": ${seconds}, "microseconds": ${microseconds}}`;
  return `{"timestamp": ${timestamp}, "event": "${event}"${tail}}`;
}

function passLine(pass: number): string {
  return `${encodeEvent("MIGRATION_PASS", { pass })}\r\n`;
}
