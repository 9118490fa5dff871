import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type TLSSocket } from "node:tls";
import type { MigrationId } from "../../../core/id.ts";
import type { Reading } from "../../../core/twin/reading.ts";
import type { Inspection } from "../../../core/twin/storage.ts";
import { Admission, PROOF_MS } from "./admission.ts";
import { type CopyAnswer, type CopyQuestion, isCopyQuestion } from "./copy-message.ts";
import {
  type HandedOver,
  type InspectRequest,
  LINE_BYTES_MAX,
  MESSAGE_CHARACTERS_MAX,
  pskIdentity,
  readMessages,
  refused,
  send,
  TLS,
} from "./handover-protocol.ts";
import { plainAddress } from "./peers.ts";
import { packReading, type ReadKind } from "./reading.ts";
import { type FromSource, type FromTarget, isFromSource } from "./watch-message.ts";

/**
 * Lets the guest run where that is needed.
 *
 * @returns the run state in which it was seen
 * @throws Error: the source is answered `refused` with its message
 */
type OnHandedOver = (message: HandedOver) => Promise<string>;

/** Reads the target. @throws Error: the source is answered with its message */
type OnRead = (what: ReadKind) => Promise<Reading>;

/** Opens or closes the exports of the target's images. @throws Error: the source is answered with it */
type OnCopy = (question: CopyQuestion) => Promise<CopyAnswer>;

/** Inspects the target's files. @throws Error: the source is answered with no file */
type OnInspect = (request: InspectRequest) => Promise<Inspection[]>;

type Answering = {
  migrationId: MigrationId;
  onHandedOver: OnHandedOver;
  onRead: OnRead;
  onInspect: OnInspect;
  onCopy: OnCopy;
  onWatch?: (message: FromSource) => void;
};

/** The target's side: one listener per migration, on a port of its own. */
export class HandoverServer {
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #admission: Admission;
  readonly #sockets = new Set<TLSSocket>();
  #peer: TLSSocket | undefined;
  #newest: FromTarget | undefined;

  private constructor(server: ReturnType<typeof createServer>, admission: Admission, port: number) {
    this.#server = server;
    this.#admission = admission;
    this.port = port;
  }

  /** `port` 0: any free port. `onHandedOver` may be called again: the source repeats its message. */
  static async listen(
    options: Answering & { address: string; port: number; key: string },
  ): Promise<HandoverServer> {
    const key = Buffer.from(options.key, "hex");
    const identity = pskIdentity(options.migrationId);
    const server = createServer({
      ...TLS,
      handshakeTimeout: PROOF_MS,
      pskCallback: (_socket, offered) => (same(offered, identity) ? key : null),
    });
    const admission = new Admission(server);
    const listener = admission.server;
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(options.port, options.address, resolve);
    });
    const bound = listener.address();
    if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
    const handover = new HandoverServer(server, admission, bound.port);
    listener.on("error", () => undefined);
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

  /** Address of the source's host, as the connected link has it. */
  get peerAddress(): string | undefined {
    const address = this.#peer?.remoteAddress;
    return address === undefined ? undefined : plainAddress(address);
  }

  /** Sends to the source; the newest message is sent again when the source has reconnected. */
  send(message: FromTarget): void {
    this.#newest = message;
    if (this.#peer) send(this.#peer, message);
  }

  close(): void {
    this.#admission.close();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: TLSSocket, options: Answering): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (this.#peer === socket) this.#peer = undefined;
    });
    readMessages(socket, LINE_BYTES_MAX, (message) => {
      if (message.type === "hello") {
        if (message.migrationId !== options.migrationId) {
          socket.destroy();
          return;
        }
        this.#admission.prove(socket.remoteAddress, socket.remotePort);
        this.#peer = socket;
        if (this.#newest) send(socket, this.#newest);
        return;
      }
      if (this.#peer !== socket) {
        socket.destroy();
        return;
      }
      if (message.type === "ping") {
        send(socket, { type: "pong" });
        return;
      }
      if (message.type === "read") {
        void answerRead(socket, message.what, options.onRead);
        return;
      }
      if (message.type === "inspect") {
        void answerInspect(socket, message, options.onInspect);
        return;
      }
      if (isCopyQuestion(message)) {
        void answerCopy(socket, message, options.onCopy);
        return;
      }
      if (isFromSource(message)) {
        options.onWatch?.(message);
        return;
      }
      if (message.type !== "completed" && message.type !== "postcopy") {
        socket.destroy();
        return;
      }
      options.onHandedOver(message).then(
        (runState) => send(socket, { type: "arrived", runState }),
        (error: unknown) =>
          send(socket, refused(error instanceof Error ? error.message : String(error), true)),
      );
    });
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

async function answerCopy(socket: TLSSocket, question: CopyQuestion, onCopy: OnCopy) {
  try {
    send(socket, await onCopy(question));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    send(socket, { type: "exports-failed", message: why.slice(0, MESSAGE_CHARACTERS_MAX) });
  }
}

async function answerInspect(
  socket: TLSSocket,
  request: InspectRequest,
  onInspect: OnInspect,
): Promise<void> {
  const files = await onInspect(request).catch(() => []);
  send(socket, { type: "inspected", witness: request.witness, files });
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
