import type { Clock } from "../clock.ts";
import { type Address, addressText, type Channel, type Network, type Receiver } from "./network.ts";

/** A network in memory that can cut, stall and filter streams. */
export type VirtualNetwork = Network & {
  /** Connections that are open now. */
  readonly connections: readonly Connection[];
};

/** An open connection, as a relay between its ends sees it. */
export type Connection = {
  /** Ends it: both ends see it closed. */
  cut(): void;
  /** Holds all data in both directions until it is lifted. */
  stall(stalled: boolean): void;
  /** Return-path bytes for which this is true are lost. */
  dropReturn(filter: (bytes: Buffer) => boolean): void;
};

type End = {
  receiver: Receiver | undefined;
  readonly queue: Buffer[];
  isClosed: boolean;
};

/** Delivers at once on `clock`, in the order of sending; the model adds latency itself. */
export function createVirtualNetwork(clock: Clock): VirtualNetwork {
  const listeners = new Map<string, (channel: Channel) => void>();
  const connections: Connection[] = [];
  let port = 40000;
  return {
    connections,
    connect(address, done) {
      const accept = listeners.get(addressText(address));
      if (!accept) {
        done({ error: `Failed to connect to '${addressText(address)}': Connection refused` });
        return;
      }
      const { near, far, connection } = createPair(clock, () => {
        const index = connections.indexOf(connection);
        if (index >= 0) connections.splice(index, 1);
      });
      connections.push(connection);
      accept(far);
      done({ value: near });
    },
    listen(address, onChannel, done) {
      const actual: Address =
        address.type === "inet" && address.port === 0 ? { ...address, port: ++port } : address;
      const key = addressText(actual);
      if (listeners.has(key)) {
        done({ error: "Failed to bind socket: Address already in use" });
        return;
      }
      listeners.set(key, onChannel);
      done({ value: { address: actual, close: () => listeners.delete(key) } });
    },
  };
}

function createPair(
  clock: Clock,
  onEnd: () => void,
): { near: Channel; far: Channel; connection: Connection } {
  const near: End = { receiver: undefined, queue: [], isClosed: false };
  const far: End = { receiver: undefined, queue: [], isClosed: false };
  let isStalled = false;
  let isDropped: ((bytes: Buffer) => boolean) | undefined;
  const flush = (end: End): void => {
    while (!isStalled && end.receiver && end.queue.length > 0) {
      const bytes = end.queue.shift();
      if (bytes) end.receiver.onData(bytes);
    }
  };
  const close = (): void => {
    for (const end of [near, far]) {
      clock.after(0, () => {
        flush(end);
        if (end.isClosed || !end.receiver) return;
        end.isClosed = true;
        end.receiver.onClose();
      });
    }
    onEnd();
  };
  const channel = (own: End, other: End): Channel => ({
    send(bytes) {
      if (own.isClosed || (other === near && isDropped?.(bytes))) return;
      other.queue.push(bytes);
      clock.after(0, () => flush(other));
    },
    close,
    receive(receiver) {
      own.receiver = receiver;
      clock.after(0, () => flush(own));
    },
  });
  const connection: Connection = {
    cut: close,
    stall(stalled) {
      isStalled = stalled;
      for (const end of [near, far]) flush(end);
    },
    dropReturn(filter) {
      isDropped = filter;
    },
  };
  return { near: channel(near, far), far: channel(far, near), connection };
}
