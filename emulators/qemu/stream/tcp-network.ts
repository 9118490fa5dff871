import { createConnection, createServer, type Socket } from "node:net";
import { type Address, addressText, type Channel, type Network } from "./network.ts";

/** Streams over the machine's own network. */
export function createTcpNetwork(): Network {
  return {
    connect(address, done) {
      const socket = createConnection(toOptions(address));
      socket.once("connect", () => {
        socket.removeAllListeners("error");
        done({ value: createChannel(socket) });
      });
      socket.once("error", (error: NodeJS.ErrnoException) =>
        done({ error: `Failed to connect to '${addressText(address)}': ${reason(error)}` }),
      );
    },
    listen(address, onChannel, done) {
      const server = createServer((socket) => onChannel(createChannel(socket)));
      server.once("error", (error: NodeJS.ErrnoException) => {
        const next = error.code === "EADDRINUSE" ? nextPort(address) : undefined;
        if (next === undefined) done({ error: `Failed to bind socket: ${reason(error)}` });
        else this.listen(next, onChannel, done);
      });
      server.listen(toOptions(address), () => {
        server.removeAllListeners("error");
        server.on("error", () => {});
        done({ value: { address: bound(address, server.address()), close: () => server.close() } });
      });
    },
  };
}

/** The next port of the listener's range. */
function nextPort(address: Address): Address | undefined {
  if (address.type !== "inet" || address.port >= (address.to ?? address.port)) return undefined;
  return { ...address, port: address.port + 1 };
}

function createChannel(socket: Socket): Channel {
  socket.setNoDelay(true);
  socket.pause();
  socket.on("error", () => {});
  return {
    send(bytes) {
      if (!socket.destroyed && socket.writable) socket.write(bytes);
    },
    close() {
      // Written data must still arrive, as it does when QEMU's process ends.
      socket.end();
      socket.destroySoon();
    },
    receive({ onData, onClose }) {
      let isClosed = false;
      const close = (): void => {
        if (isClosed) return;
        isClosed = true;
        onClose();
      };
      socket.on("data", onData);
      socket.on("end", close);
      socket.on("close", close);
      if (socket.destroyed) close();
      socket.resume();
    },
  };
}

function toOptions(address: Address): { path: string } | { host: string; port: number } {
  if (address.type !== "inet") return { path: addressText(address) };
  return { host: address.host || "0.0.0.0", port: address.port };
}

function bound(
  address: Address,
  actual: ReturnType<ReturnType<typeof createServer>["address"]>,
): Address {
  if (address.type !== "inet" || typeof actual !== "object" || !actual) return address;
  return { type: "inet", host: address.host || "0.0.0.0", port: actual.port };
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ENOENT: "No such file or directory",
  ETIMEDOUT: "Connection timed out",
};

function reason(error: NodeJS.ErrnoException): string {
  return reasons[error.code ?? ""] ?? error.code ?? error.message;
}
