import { connect, type NetConnectOpts, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { QmpConnectError } from "./error.ts";

export type QmpAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

export function describeAddress(address: QmpAddress): string {
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}

export interface OpenSocketOptions {
  /** On the clock of `performance.now()`. */
  readonly deadlineAtMs: number;
  readonly retry: boolean;
  readonly signal?: AbortSignal | undefined;
}

// What a QEMU that is still starting looks like; anything else will not get better by waiting.
const retryableCodes = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EAGAIN"]);
const retryFirstMs = 10;
const retryMostMs = 200;

/**
 * Connects, again and again until the deadline while nobody listens there yet. Throws
 * QmpConnectError, or the signal's reason.
 */
export async function openSocket(address: QmpAddress, options: OpenSocketOptions): Promise<Socket> {
  const { deadlineAtMs, retry, signal } = options;
  for (let attempts = 1, pauseMs = retryFirstMs; ; attempts++) {
    signal?.throwIfAborted();
    const restMs = Math.max(0, deadlineAtMs - performance.now());
    const result = await tryOnce(address, restMs, signal);
    if (!(result instanceof Error)) return result;
    signal?.throwIfAborted();
    const code = (result as NodeJS.ErrnoException).code ?? "";
    const isLast = !retry || !retryableCodes.has(code) || performance.now() >= deadlineAtMs;
    if (isLast) {
      const why = `${code || result.message} after ${attempts} attempt(s)`;
      throw new QmpConnectError(describeAddress(address), attempts, why, { cause: result });
    }
    const pauseRestMs = Math.max(1, Math.min(pauseMs, deadlineAtMs - performance.now()));
    await sleep(pauseRestMs, undefined, signal ? { signal } : {}).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, retryMostMs);
  }
}

// A paused socket reads on until its buffer is full; this makes it stop after the next chunk.
const readStopsAtOnce = { readableHighWaterMark: 1 };

function tryOnce(address: QmpAddress, timeoutMs: number, signal: AbortSignal | undefined) {
  return new Promise<Socket | Error>((resolve) => {
    const socket = connect({ ...address, noDelay: true, ...readStopsAtOnce } as NetConnectOpts);
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
