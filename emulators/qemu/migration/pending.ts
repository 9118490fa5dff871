import { listBitmaps } from "../block.ts";
import { atLeast } from "../catalog/version.ts";
import { emit, type Qemu } from "../qemu.ts";
import { PAGE_BYTES } from "../ram.ts";
import { precopyPending, queryPrecopy } from "../vfio.ts";
import type { Attempt } from "./outgoing-state.ts";
import { PERIOD_MS } from "./sending.ts";

/** Remaining bytes, as the switchover decision counts them. */
export type Pending = {
  /** Must be sent before the target can run. */
  readonly precopyBytes: number;
  /** Could follow while the target runs. */
  readonly postcopyBytes: number;
};

/** Section headers of an iteration that had nothing to send. */
export const IDLE_BYTES = 18;

/** QEMU 11 queries every device whenever nothing is left; older releases need a threshold. */
export function asksAnew(qemu: Qemu): boolean {
  return atLeast(qemu.version, "11.0");
}

/** Estimated, without reading the dirty log. */
export function estimatePending(qemu: Qemu, attempt: Attempt): Pending {
  const vfioBytes = qemu.vfio.reduce((sum, vfio) => sum + precopyPending(vfio), 0);
  const finalBytes = asksAnew(qemu) ? totalFinalBytes(qemu) : 0;
  return divide(qemu, attempt, vfioBytes + finalBytes);
}

/** After reading the dirty log and asking the devices, whose final state counts too. */
export function exactPending(qemu: Qemu, attempt: Attempt): Pending {
  const { thresholdBytes } = attempt.rate;
  const ramBytes = qemu.ram.pendingBytes();
  if (asksAnew(qemu) || ramBytes < thresholdBytes) syncDirty(qemu, attempt);
  for (const vfio of qemu.vfio) queryPrecopy(vfio, qemu.clock.nowMs(), qemu.guest.isRunning);
  const vfioBytes = qemu.vfio.reduce((sum, vfio) => sum + precopyPending(vfio), 0);
  return divide(qemu, attempt, vfioBytes + totalFinalBytes(qemu));
}

export function sumPending({ precopyBytes, postcopyBytes }: Pending): number {
  return precopyBytes + postcopyBytes;
}

/** Reads the dirty log: the start of another pass. */
export function syncDirty(qemu: Qemu, attempt: Attempt): void {
  const { statistics, rate } = attempt;
  const nowMs = qemu.clock.nowMs();
  const dirtied = qemu.ram.sync();
  const passes = idlePasses(qemu, attempt);
  for (let pass = 0; pass < passes; pass++) {
    statistics.syncs += 1;
    if (qemu.capabilities.events) emit(qemu, "MIGRATION_PASS", { pass: statistics.syncs });
  }
  const passedMs = nowMs - statistics.syncedMs;
  statistics.dirtiedBytes += dirtied * PAGE_BYTES;
  if (passedMs > 1000) {
    const dirtiedPages = statistics.dirtiedBytes / PAGE_BYTES;
    statistics.dirtyPagesPerSecond = Math.floor((dirtiedPages * 1000) / passedMs);
    converge(qemu, attempt);
    statistics.dirtiedBytes = 0;
    statistics.syncedMs = nowMs;
    statistics.bytesAtSync = statistics.transferredBytes;
  }
  statistics.pendingAtSyncBytes = qemu.ram.pendingBytes();
  rate.idleSinceMs = nowMs;
  rate.idleBytes = 0;
}

/**
 * QEMU reads the log thousands of times a second when there is nothing to send. The model reads it
 * every few milliseconds and reports all the passes in between.
 */
export function idlePassMs(qemu: Qemu): number {
  const limit = Number(qemu.parameters["max-bandwidth"]) || Number.POSITIVE_INFINITY;
  return Math.max(1000 / qemu.knobs.passesPerSecond, (IDLE_BYTES * 1000) / limit);
}

function idlePasses(qemu: Qemu, attempt: Attempt): number {
  const { idleSinceMs } = attempt.rate;
  if (idleSinceMs === undefined) return 1;
  return Math.max(1, Math.floor((qemu.clock.nowMs() - idleSinceMs) / idlePassMs(qemu)));
}

/** Every 100 ms: measures the bandwidth, and derives how much may be left for the switchover. */
export function updateRate(qemu: Qemu, attempt: Attempt): void {
  const { rate, statistics } = attempt;
  const passedMs = qemu.clock.nowMs() - rate.measureStartMs;
  if (passedMs < PERIOD_MS - 1e-6) return;
  const pages = statistics.normalPages + statistics.zeroPages;
  const perMs = rate.measureBytes / passedMs;
  rate.measuredBytesPerSecond = perMs * 1000;
  rate.mbps = (perMs * 8) / 1000;
  rate.pagesPerSecond = Math.floor(((pages - rate.measurePages) * 1000) / passedMs);
  rate.thresholdBytes = Math.floor(
    (switchoverBytesPerSecond(qemu, attempt) / 1000) * Number(qemu.parameters["downtime-limit"]),
  );
  if (statistics.dirtyPagesPerSecond > 0 && rate.measureBytes > 10000) {
    const expected = switchoverBytesPerSecond(qemu, attempt) / 1000;
    rate.expectedDowntimeMs =
      expected > 0 ? Math.floor(statistics.pendingAtSyncBytes / expected) : 0;
  }
  rate.measureStartMs = qemu.clock.nowMs();
  rate.measureBytes = 0;
  rate.measurePages = pages;
}

/** The bandwidth of the decision: as configured, or measured. */
export function switchoverBytesPerSecond(qemu: Qemu, attempt: Attempt): number {
  const given = Number(qemu.parameters["avail-switchover-bandwidth"] ?? 0);
  if (given === 0) return attempt.rate.measuredBytesPerSecond;
  // Before 11.0 this was an integer division, so that less than 1000 meant nothing.
  return asksAnew(qemu) ? given : Math.floor(given / 1000) * 1000;
}

/** The stop-and-copy state of all VFIO devices. */
export function totalFinalBytes(qemu: Qemu): number {
  return qemu.vfio.reduce((sum, vfio) => sum + vfio.source.finalLeft, 0);
}

function divide(qemu: Qemu, attempt: Attempt, vfioBytes: number): Pending {
  const ramBytes = qemu.ram.pendingBytes();
  const bitmapBytes = pendingBitmapBytes(qemu, attempt);
  const isPostcopy = qemu.capabilities["postcopy-ram"] === true;
  return {
    precopyBytes: vfioBytes + (isPostcopy ? 0 : ramBytes),
    postcopyBytes: bitmapBytes + (isPostcopy ? ramBytes : 0),
  };
}

/** A bitmap goes out at the switchover only: until then it is always pending. */
function pendingBitmapBytes(qemu: Qemu, attempt: Attempt): number {
  if (attempt.bitmaps.length === 0) return 0;
  return listBitmaps(qemu.block)
    .filter(({ bitmap }) => bitmap.isBusy)
    .reduce((sum, { node, bitmap }) => {
      const bits = (qemu.block.nodes.get(node)?.sizeBytes ?? 0) / bitmap.granularityBytes;
      return sum + Math.max(1, Math.ceil(bits / 8));
    }, 0);
}

/**
 * auto-converge: throttles the guest after two periods of at least a second in which it wrote too
 * much, all passes of a period together (QEMU migration/ram.c, migration_trigger_throttle and
 * num_dirty_pages_period).
 */
function converge(qemu: Qemu, attempt: Attempt): void {
  const { statistics } = attempt;
  if (!qemu.capabilities["auto-converge"]) return;
  const sentBytes = statistics.transferredBytes - statistics.bytesAtSync;
  const percent = Number(qemu.parameters["throttle-trigger-threshold"]);
  if (statistics.dirtiedBytes <= (sentBytes * percent) / 100) return;
  statistics.syncsOverThreshold += 1;
  if (statistics.syncsOverThreshold < 2) return;
  statistics.syncsOverThreshold = 0;
  const { throttlePercent } = statistics;
  const next = throttlePercent
    ? throttlePercent + Number(qemu.parameters["cpu-throttle-increment"])
    : Number(qemu.parameters["cpu-throttle-initial"]);
  statistics.throttlePercent = Math.min(next, Number(qemu.parameters["max-cpu-throttle"]));
  qemu.guest.throttle(statistics.throttlePercent);
}
