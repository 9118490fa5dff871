import type { Qemu } from "../qemu.ts";
import { frameBytes, type Outlet } from "../stream/endpoint.ts";
import type { Frame } from "../stream/frame.ts";
import type { Task, Wait } from "../task.ts";
import type { Attempt } from "./outgoing-state.ts";

/** The stream is broken or was closed: the migration cannot continue on it. */
export class StreamError extends Error {
  override name = "StreamError";
}

/** QEMU limits and measures its rate over periods of this length. */
export const PERIOD_MS = 100;

/**
 * Unsent bytes before sending waits: the sockets' buffers. Hosts with VFIO devices are tuned for
 * bulk; others have Linux's defaults.
 */
const PLAIN_SOCKET_BYTES = 4 << 20;
const TUNED_SOCKET_BYTES = 64 << 20;

/** Most that a sender catches up after a timer fired late. */
const SLACK_MS = 20;

/** The rate at which this migration's stream can go out. */
export function linkBytesPerSecond(qemu: Qemu, attempt: Attempt): number {
  const { knobs } = qemu;
  const channels = Math.max(1, attempt.multifd.length);
  const channel = Math.min(
    knobs.channelBytesPerSecond ?? knobs.linkBytesPerSecond,
    knobs.linkBytesPerSecond,
  );
  const perChannel = qemu.parameters["tls-creds"]
    ? 1 / (1 / channel + 1 / knobs.tlsBytesPerSecond)
    : channel;
  return Math.min(knobs.linkBytesPerSecond, perChannel * channels);
}

/** Ends the calling task's work when the stream is broken or the migration was cancelled. */
export function checkStream(attempt: Attempt): void {
  if (attempt.brokenBy !== undefined) throw new StreamError(attempt.brokenBy);
}

/** Waits, but not for a stream that is broken. */
export function* waitOnStream(attempt: Attempt, wait: Wait): Task {
  const isBroken = (): boolean => attempt.brokenBy !== undefined;
  const { until } = wait;
  yield { ...wait, until: () => isBroken() || (until?.() ?? false) };
  checkStream(attempt);
}

/**
 * Sends a frame on `outlet` and waits for as long as the link needs. `costMs` is the sender's own
 * time for the data, which passes in parallel.
 */
export function* transmit(
  qemu: Qemu,
  attempt: Attempt,
  outlet: Outlet,
  frame: Frame,
  costMs = 0,
): Task {
  const bytes = frameBytes(frame);
  const linkRate = linkBytesPerSecond(qemu, attempt);
  yield* waitForRoom(qemu, attempt, outlet, bytes, linkRate);
  outlet.send(frame);
  const { rate, statistics } = attempt;
  statistics.transferredBytes += bytes;
  rate.limitBytes += bytes;
  rate.measureBytes += bytes;
  const nowMs = qemu.clock.nowMs();
  const startMs = Math.max(rate.linkFreeMs, nowMs - rate.lateMs);
  rate.linkFreeMs = startMs + Math.max((bytes / linkRate) * 1000, costMs);
  if (rate.linkFreeMs > nowMs) yield* waitOnStream(attempt, { deadlineMs: rate.linkFreeMs });
  rate.lateMs = Math.min(SLACK_MS, Math.max(0, qemu.clock.nowMs() - rate.linkFreeMs));
}

/** Sends without waiting: for small frames. */
export function sendNow(attempt: Attempt, frame: Frame): void {
  checkStream(attempt);
  attempt.main?.send(frame);
  attempt.statistics.transferredBytes += frameBytes(frame);
}

/** Waits until the network has room for `bytes` more; a stalled link has none. */
export function* waitForRoom(
  qemu: Qemu,
  attempt: Attempt,
  outlet: Outlet,
  bytes: number,
  linkRate: number,
): Task {
  const usualBytes = qemu.vfio.length > 0 ? TUNED_SOCKET_BYTES : PLAIN_SOCKET_BYTES;
  const bufferBytes = qemu.knobs.socketBytes ?? usualBytes;
  const roomBytes = bufferBytes + (linkRate * 2 * qemu.knobs.linkLatencyMs) / 1000;
  const hasRoom = (): boolean =>
    qemu.stalls === 0 &&
    (outlet.inFlightBytes() === 0 || outlet.inFlightBytes() + bytes <= roomBytes);
  if (!hasRoom()) yield* waitOnStream(attempt, { until: hasRoom });
  checkStream(attempt);
}

/** Bytes that the rate limit still allows in this period. */
export function limitLeftBytes(qemu: Qemu, attempt: Attempt, isPostcopy: boolean): number {
  const limit = Number(qemu.parameters[isPostcopy ? "max-postcopy-bandwidth" : "max-bandwidth"]);
  const { rate } = attempt;
  const nowMs = qemu.clock.nowMs();
  if (nowMs - rate.limitStartMs >= PERIOD_MS - 1e-6) {
    rate.limitStartMs = nowMs;
    rate.limitBytes = 0;
  }
  if (limit === 0) return Number.POSITIVE_INFINITY;
  return Math.max(0, (limit * PERIOD_MS) / 1000 - rate.limitBytes);
}
