import type { Migration } from "./migration.ts";

export type Rates = {
  readonly remainingBytes: number;
  readonly bandwidthBytesPerSecond: number;
  readonly dirtyBytesPerSecond: number;
  /** What QEMU may send while the guest stands still. */
  readonly downtimeLimitMs: number;
};

/**
 * Time until what is left fits the downtime limit, at the rates of now; undefined when the guest
 * dirties memory as fast as it is sent.
 */
export function estimateMs(rates: Rates): number | undefined {
  const { remainingBytes, bandwidthBytesPerSecond, dirtyBytesPerSecond, downtimeLimitMs } = rates;
  const fits = (bandwidthBytesPerSecond * downtimeLimitMs) / 1000;
  if (remainingBytes <= fits) return 0;
  const net = bandwidthBytesPerSecond - dirtyBytesPerSecond;
  return net <= 0 ? undefined : ((remainingBytes - fits) / net) * 1000;
}

/** QEMU's default of `downtime-limit`. */
const DOWNTIME_LIMIT_MS = 300;

type Moving = Pick<Migration, "progress" | "policy" | "gate">;

export function remainingBytes({ progress }: Pick<Migration, "progress">): number | undefined {
  return progress?.remainingBytes ?? progress?.ramRemainingBytes;
}

/**
 * When precopy is expected to end, with memory and copied disks: `held` by a gate, `never` at the
 * rates of now, or in so many ms; undefined before there are figures.
 */
export function precopyEnd(migration: Moving): number | "held" | "never" | undefined {
  const { progress, policy, gate } = migration;
  const remaining = remainingBytes(migration);
  const bandwidth = progress?.bandwidthBytesPerSecond;
  if (gate?.heldAtMs !== undefined && gate.openedAtMs === undefined) return "held";
  if (remaining === undefined || bandwidth === undefined) return undefined;
  const memoryMs = estimateMs({
    remainingBytes: remaining,
    bandwidthBytesPerSecond: bandwidth,
    dirtyBytesPerSecond: progress?.dirtyBytesPerSecond ?? 0,
    downtimeLimitMs: policy.downtimeLimitMs ?? policy.downtimeBudgetMs ?? DOWNTIME_LIMIT_MS,
  });
  const disksMs = diskMs(progress);
  if (memoryMs === undefined || disksMs === undefined) return "never";
  return Math.max(memoryMs, disksMs);
}

/** Until the disks are copied; undefined while nothing is copied. */
function diskMs(progress: Moving["progress"]): number | undefined {
  const { diskRemainingBytes = 0, diskBytesPerSecond = 0 } = progress ?? {};
  if (diskRemainingBytes === 0) return 0;
  return diskBytesPerSecond === 0 ? undefined : (diskRemainingBytes / diskBytesPerSecond) * 1000;
}
