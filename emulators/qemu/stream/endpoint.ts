import { Buffer } from "node:buffer";
import type { Clock } from "../clock.ts";
import {
  createFrameReader,
  createReturnReader,
  encodeFrame,
  encodeReturn,
  type Frame,
  returnType,
} from "./frame.ts";
import type { Channel } from "./network.ts";

/** The source's end of a channel. */
export type Outlet = {
  /** Bytes sent that the other end has not taken yet: the network's and the sockets' buffers. */
  inFlightBytes(): number;
  /** Frames that the target has processed. */
  takenFrames(): number;
  /** The target has read the first frame of this channel. */
  isAccepted(): boolean;
  send(frame: Frame): void;
  close(): void;
};

export type OutletHandlers = {
  onReturn(type: number, payload: Buffer): void;
  onClose(): void;
  /** The target has processed something. */
  onCredit(): void;
};

/** The target's end of a channel. */
export type Inlet = {
  /** Reports that a frame was processed, which makes room for another. */
  credit(frame: Frame): void;
  reply(type: number, payload?: Buffer): void;
  close(): void;
};

/** A frame without `bytes` stands for a few hundred bytes of the real stream. */
export function frameBytes(frame: Frame): number {
  return "bytes" in frame ? frame.bytes : 256;
}

/** An outlet to a process that reads everything and answers nothing. */
export function createSink(): Outlet {
  return {
    inFlightBytes: () => 0,
    takenFrames: () => 0,
    isAccepted: () => true,
    send: () => {},
    close: () => {},
  };
}

/** `latencyMs` is added to everything received. */
export function createOutlet(
  channel: Channel,
  clock: Clock,
  latencyMs: number,
  handlers: OutletHandlers,
): Outlet {
  let sentBytes = 0;
  let takenBytes = 0;
  let takenFrames = 0;
  const read = createReturnReader((type, payload) => {
    if (type !== returnType.credit) {
      handlers.onReturn(type, payload);
      return;
    }
    takenBytes = payload.readDoubleBE();
    takenFrames += 1;
    handlers.onCredit();
  });
  channel.receive(delayed(clock, latencyMs, { onData: read, onClose: handlers.onClose }));
  return {
    inFlightBytes: () => sentBytes - takenBytes,
    takenFrames: () => takenFrames,
    isAccepted: () => takenBytes > 0,
    send(frame) {
      sentBytes += frameBytes(frame);
      channel.send(encodeFrame(frame));
    },
    close: () => channel.close(),
  };
}

/** Passes frames to `onFrame`; an invalid stream counts as closed. */
export function createInlet(
  channel: Channel,
  clock: Clock,
  latencyMs: number,
  handlers: { onFrame(frame: Frame): void; onClose(): void },
): Inlet {
  let takenBytes = 0;
  const read = createFrameReader(handlers.onFrame);
  const onData = (bytes: Buffer): void => {
    try {
      read(bytes);
    } catch {
      channel.close();
    }
  };
  channel.receive(delayed(clock, latencyMs, { onData, onClose: handlers.onClose }));
  return {
    credit(frame) {
      takenBytes += frameBytes(frame);
      const payload = Buffer.alloc(8);
      payload.writeDoubleBE(takenBytes);
      channel.send(encodeReturn(returnType.credit, payload));
    },
    reply: (type, payload) => channel.send(encodeReturn(type, payload)),
    close: () => channel.close(),
  };
}

function delayed(
  clock: Clock,
  latencyMs: number,
  receiver: { onData(bytes: Buffer): void; onClose(): void },
): { onData(bytes: Buffer): void; onClose(): void } {
  if (latencyMs <= 0) return receiver;
  return {
    onData: (bytes) => void clock.after(latencyMs, () => receiver.onData(bytes)),
    onClose: () => void clock.after(latencyMs, receiver.onClose),
  };
}
