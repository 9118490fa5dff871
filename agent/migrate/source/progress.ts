import type { FinalFigures, Progress } from "../../../core/protocol/event.ts";
import type { MigrationInfo } from "../../../qmp/migration.ts";

/** What progress has of disks that are copied. */
export type DiskFigures = Pick<
  Progress,
  "diskTotalBytes" | "diskRemainingBytes" | "diskBytesPerSecond"
>;

/** An answer of query-migrate as the record keeps it. */
export function toProgress(info: MigrationInfo): Progress {
  const { ram } = info;
  const pageSize = number(ram?.["page-size"]) ?? 4096;
  const dirtyPages = number(ram?.["dirty-pages-rate"]);
  return compact({
    status: info.status ?? "none",
    totalTimeMs: number(info["total-time"]),
    ramTotalBytes: number(ram?.total),
    ramTransferredBytes: number(ram?.transferred),
    ramRemainingBytes: number(ram?.remaining),
    remainingBytes: number(info.remaining),
    dirtyBytesPerSecond: dirtyPages === undefined ? undefined : dirtyPages * pageSize,
    dirtySyncCount: number(ram?.["dirty-sync-count"]),
    // QEMU reports megabits per second; 1 Mbit = 10^6 bit.
    bandwidthBytesPerSecond: ram?.mbps === undefined ? undefined : Math.round(ram.mbps * 125_000),
    expectedDowntimeMs: number(info["expected-downtime"]),
    vfioTransferredBytes: number(info.vfio?.transferred),
  });
}

/** QEMU's figures after `completed`; zeros when it did not answer. */
export function toFigures(info: MigrationInfo | undefined, disks: DiskFigures = {}): FinalFigures {
  const setupTimeMs = number(info?.["setup-time"]);
  const downtimeBytes = number(info?.ram?.["downtime-bytes"]);
  return {
    downtimeMs: number(info?.downtime) ?? 0,
    totalTimeMs: number(info?.["total-time"]) ?? 0,
    ...(setupTimeMs === undefined ? {} : { setupTimeMs }),
    ...(downtimeBytes === undefined ? {} : { downtimeBytes }),
    progress: { ...(info === undefined ? { status: "completed" } : toProgress(info)), ...disks },
  };
}

/**
 * Whether the remaining memory fits the downtime limit, by QEMU's own measure: remaining / bandwidth.
 * Never before the end of the first pass, in which QEMU's figures mean nothing. While a gate holds,
 * QEMU up to 10.2 never begins a second pass, so the end of the first one counts.
 */
export function hasConverged(
  progress: Progress,
  downtimeLimitMs: number,
  isHeld: boolean = false,
): boolean {
  if ((progress.dirtySyncCount ?? 0) < (isHeld ? 1 : 2)) return false;
  const { ramRemainingBytes: remaining, bandwidthBytesPerSecond: bandwidth } = progress;
  if (remaining === undefined || bandwidth === undefined) return false;
  if (remaining === 0) return !isHeld || (progress.ramTransferredBytes ?? 0) > 0;
  return remaining <= (bandwidth * downtimeLimitMs) / 1000;
}

function number(value: number | bigint | undefined): number | undefined {
  return value === undefined ? undefined : Math.max(0, Number(value));
}

function compact<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}
