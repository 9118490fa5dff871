import { Buffer } from "node:buffer";
import type { RunState } from "../catalog/run-states.ts";

/**
 * A frame of the source. Forward, a frame is be32 length and JSON; its `bytes` are how much of the
 * real stream it stands for, and the link model takes the time for them. Backward go QEMU's own
 * return-path frames: be16 type, be16 length, payload.
 */
export type Frame =
  | {
      readonly type: "hello";
      readonly channel: "main" | "multifd";
      readonly index: number;
      readonly tls: string | undefined;
    }
  | { readonly type: "configuration"; readonly machine: string; readonly uuid: string | undefined }
  | { readonly type: "open-return-path" }
  | { readonly type: "ping"; readonly value: number }
  | { readonly type: "postcopy-advise" }
  | {
      readonly type: "setup";
      readonly ramBytes: number;
      readonly compression: string;
      readonly ack: boolean;
    }
  | { readonly type: "ram"; readonly bytes: number }
  | {
      readonly type: "vfio-data";
      readonly bytes: number;
      readonly device: string;
      readonly part: VfioPart;
      readonly isLast: boolean;
    }
  | { readonly type: "vfio-init-sent"; readonly device: string }
  | { readonly type: "vfio-config"; readonly device: string; readonly multifd: boolean }
  | { readonly type: "switchover-start" }
  | { readonly type: "bitmaps"; readonly names: readonly string[] }
  | { readonly type: "devices"; readonly state: DeviceState; readonly bytes: number }
  | {
      readonly type: "postcopy-run";
      readonly state: DeviceState;
      readonly ramBytes: number;
      readonly bytes: number;
    }
  | { readonly type: "resume"; readonly ramBytes: number }
  | { readonly type: "end" };

export type VfioPart = "initial" | "dirty" | "final";

/** Device state that is sent at once: what the target needs to be the same machine. */
export type DeviceState = {
  readonly counter: number;
  /** For how long the guest has run since it booted. */
  readonly ranMs: number;
  readonly runState: RunState;
  readonly devices: readonly string[];
};

/** Return-path message types, as in QEMU; `credit` is the model's own, for flow control. */
export const returnType = {
  shut: 1,
  pong: 2,
  resumeAck: 6,
  switchoverAck: 7,
  credit: 0x5379,
} as const;

const FRAME_BYTES_MAX = 1 << 20;

export function encodeFrame(frame: Frame): Buffer {
  const text = Buffer.from(JSON.stringify(frame));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  return Buffer.concat([head, text]);
}

/**
 * Calls `onFrame` for each complete frame of the bytes given to it.
 *
 * @throws Error for anything else
 */
export function createFrameReader(onFrame: (frame: Frame) => void): (bytes: Buffer) => void {
  return createReader(
    4,
    (head) => head.readUInt32BE(),
    (payload) => {
      onFrame(JSON.parse(payload.toString()) as Frame);
    },
  );
}

export function encodeReturn(type: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

export function createReturnReader(
  onMessage: (type: number, payload: Buffer) => void,
): (bytes: Buffer) => void {
  return createReader(
    4,
    (head) => head.readUInt16BE(2),
    (payload, head) => {
      onMessage(head.readUInt16BE(0), payload);
    },
  );
}

/** A be32 as payload. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function createReader(
  headBytes: number,
  lengthOf: (head: Buffer) => number,
  onPayload: (payload: Buffer, head: Buffer) => void,
): (bytes: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  return (bytes) => {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    while (pending.length >= headBytes) {
      const length = lengthOf(pending);
      if (length > FRAME_BYTES_MAX) throw new Error("Not a migration stream");
      if (pending.length < headBytes + length) return;
      const head = pending.subarray(0, headBytes);
      const payload = pending.subarray(headBytes, headBytes + length);
      pending = pending.subarray(headBytes + length);
      onPayload(payload, head);
    }
  };
}
