/** What one migration's time depends on. Bytes, B/s, ms. */
export type MoveFacts = {
  readonly memoryBytes: number;
  /** Of the disks that are copied with the guest. */
  readonly diskBytes: number;
  readonly dirtyBytesPerSecond: number;
  readonly workingSetBytes: number;
  readonly streamBytesPerSecond: number;
  readonly downtimeLimitMs: number;
  readonly loadMs: number;
};

export type Prediction = {
  /** The whole transfer, switchover included, ms. */
  readonly transferMs: number;
  readonly bytes: number;
  readonly downtimeMs: number;
  /** False: the guest dirties memory faster than it is sent; the figures are those of giving up. */
  readonly converges: boolean;
};

/**
 * Passes before QEMU is taken to send the rest whatever it costs. QEMU has no such bound; a guest
 * that has not converged by then needs a convergence ladder.
 */
export const PASSES_MAX = 30;

/**
 * Iterative precopy: the first pass sends all memory and the copied disks, each next one what was
 * dirtied meanwhile, at most the writable working set; the guest is stopped when what is left fits the
 * downtime limit at the stream's rate. The downtime is the last pass and the load time of the devices.
 */
export function predict(facts: MoveFacts): Prediction {
  const { dirtyBytesPerSecond: dirty, workingSetBytes, streamBytesPerSecond: rate } = facts;
  const fitting = (rate * facts.downtimeLimitMs) / 1000;
  let left = facts.memoryBytes + facts.diskBytes;
  let bytes = left;
  let passes = 0;
  while (left > fitting && passes < PASSES_MAX) {
    left = Math.min((dirty * left) / rate, workingSetBytes);
    bytes += left;
    passes += 1;
  }
  return {
    transferMs: (bytes / rate) * 1000,
    bytes,
    downtimeMs: (left / rate) * 1000 + facts.loadMs,
    converges: left <= fitting,
  };
}
