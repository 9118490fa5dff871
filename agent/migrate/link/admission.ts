import { createServer, type Server, type Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { plainAddress } from "./peers.ts";

/** The source has one connection, and a second one while it replaces the first. */
const UNPROVEN_PER_ADDRESS_MAX = 4;
/** Bounds the connections of many addresses together. */
const UNPROVEN_MAX = 64;
/** A connection must have proved within this that it is the source's. */
export const PROOF_MS = 2_000;

/**
 * Accepts connections for a TLS server and bounds those that have not proved yet to be the source's:
 * strangers can neither use up the listener nor keep a connection.
 */
export class Admission {
  readonly server: Server;
  readonly #unproven = new Map<Socket, string>();

  constructor(tls: TlsServer) {
    this.server = createServer((socket) => {
      if (this.#take(socket)) tls.emit("connection", socket);
      else socket.destroy();
    });
  }

  /** The connection is the source's: it no longer counts. */
  prove(remoteAddress: string | undefined, remotePort: number | undefined): void {
    for (const socket of this.#unproven.keys()) {
      const isThis = socket.remotePort === remotePort && socket.remoteAddress === remoteAddress;
      if (isThis) this.#unproven.delete(socket);
    }
  }

  close(): void {
    this.server.close();
    for (const socket of this.#unproven.keys()) socket.destroy();
  }

  /** The oldest stranger makes room for a new connection of an address that has too many. */
  #take(socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress ?? "");
    if (this.#unproven.size >= UNPROVEN_MAX) return false;
    const same = [...this.#unproven].filter(([, other]) => other === address);
    if (same.length >= UNPROVEN_PER_ADDRESS_MAX) same[0]?.[0].destroy();
    this.#unproven.set(socket, address);
    const timer = setTimeout(() => {
      if (this.#unproven.has(socket)) socket.destroy();
    }, PROOF_MS);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      this.#unproven.delete(socket);
    });
    return true;
  }
}
