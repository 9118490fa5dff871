import type { Recent } from "../data/recent.ts";

export type RecentSummary = {
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly unknown: number;
  /** Downtimes of those that are done, ms; absent without any. */
  readonly downtime:
    | { readonly p50: number; readonly p99: number; readonly worst: number }
    | undefined;
};

export function summarizeRecent(migrations: Recent["migrations"]): RecentSummary {
  const count = (wanted: string) => migrations.filter(({ status }) => status === wanted).length;
  const downtimes = migrations
    .flatMap(({ status, figures }) => (status === "completed" ? (figures?.downtimeMs ?? []) : []))
    .toSorted((a, b) => a - b);
  return {
    done: count("completed"),
    failed: count("failed"),
    cancelled: count("cancelled"),
    unknown: count("unknown"),
    downtime:
      downtimes.length === 0
        ? undefined
        : {
            p50: rankOf(downtimes, 0.5),
            p99: rankOf(downtimes, 0.99),
            worst: rankOf(downtimes, 1),
          },
  };
}

/** The smallest value that so great a share does not exceed (nearest rank). */
function rankOf(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
}
