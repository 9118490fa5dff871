import { type NetConnectOpts, Socket, type SocketConstructorOpts } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { QmpConnectError } from "./error.ts";

export type QmpAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

export function describeAddress(address: QmpAddress): string {
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}

export type OpenSocketOptions = {
  /** On the clock of `performance.now()`. */
  readonly deadlineAtMs: number;
  readonly retry: boolean;
  readonly signal?: AbortSignal | undefined;
};

/** Errors while QEMU is still starting; others do not go away by waiting. */
const RETRYABLE_CODES = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EAGAIN"]);
const RETRY_FIRST_MS = 10;
const RETRY_MAX_MS = 200;

/**
 * Connects; tries again until the deadline while nothing listens there yet.
 *
 * @throws QmpConnectError, or the signal's reason
 */
export async function openSocket(address: QmpAddress, options: OpenSocketOptions): Promise<Socket> {
  const { deadlineAtMs, retry, signal } = options;
  for (let attempts = 1, pauseMs = RETRY_FIRST_MS; ; attempts++) {
    signal?.throwIfAborted();
    const restMs = Math.max(0, deadlineAtMs - performance.now());
    const result = await tryOnce(address, restMs, signal);
    if (!(result instanceof Error)) return result;
    signal?.throwIfAborted();
    const code = (result as NodeJS.ErrnoException).code ?? "";
    const isLast = !retry || !RETRYABLE_CODES.has(code) || performance.now() >= deadlineAtMs;
    if (isLast) {
      const why = `${code || result.message} after ${attempts} attempt(s)`;
      throw new QmpConnectError(describeAddress(address), attempts, why, { cause: result });
    }
    const pauseRestMs = Math.max(1, Math.min(pauseMs, deadlineAtMs - performance.now()));
    await sleep(pauseRestMs, undefined, signal ? { signal } : {}).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS);
  }
}

/** Of a write to a peer that has gone (Linux net/unix/af_unix.c, unix_stream_sendmsg). */
const GONE_CODES = new Set(["EPIPE", "ECONNRESET"]);

/**
 * A write to a QEMU that has gone is no error here: what QEMU sent last, its SHUTDOWN event too, is
 * still to be read, and Node would discard it. The end follows on the reading side.
 */
class MonitorSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
    super._write(chunk, encoding, unlessGone(callback));
  }

  override _writev(chunks: Parameters<NonNullable<Socket["_writev"]>>[0], callback: WriteCallback) {
    super._writev?.(chunks, unlessGone(callback));
  }
}

type WriteCallback = (error?: Error | null) => void;

function unlessGone(callback: WriteCallback): WriteCallback {
  return (error) => {
    const isGone = GONE_CODES.has((error as NodeJS.ErrnoException | undefined)?.code ?? "");
    callback(isGone ? undefined : error);
  };
}

// A paused socket goes on reading until its buffer is full: a buffer of one byte is full at once.
const SMALL_READ_BUFFER = { readableHighWaterMark: 1 };

function tryOnce(address: QmpAddress, timeoutMs: number, signal: AbortSignal | undefined) {
  return new Promise<Socket | Error>((resolve) => {
    const socket = new MonitorSocket({ ...SMALL_READ_BUFFER } as SocketConstructorOpts);
    socket.connect({ ...address, noDelay: true } as NetConnectOpts);
    const onConnect = () => settle(socket);
    const settle = (result: Socket | Error) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect).off("error", settle);
      if (result !== socket) socket.on("error", () => undefined).destroy();
      resolve(result);
    };
    const onAbort = () => settle(new Error("aborted"));
    const timer = setTimeout(() => settle(new Error("no connection in time")), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", onConnect);
    socket.once("error", settle);
  });
}
