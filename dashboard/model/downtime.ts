import type { Moving } from "../api-types.ts";

/** One part of the time in which the guest did not run. */
export type DowntimePart = { readonly name: string; readonly ms: number };

export type Downtime = {
  readonly budgetMs: number | undefined;
  /** At most expected: QEMU's limit and the load time that was learned. */
  readonly expected: { readonly limitMs: number; readonly loadMs: number } | undefined;
  /** QEMU's own figure; absent before the end. */
  readonly realMs: number | undefined;
  /** STOP on the source to RESUME on the target. */
  readonly blackoutMs: number | undefined;
  /** The blackout, by what it was spent on; the clocks of both hosts meet in it. */
  readonly parts: readonly DowntimePart[];
  /** What the bar shows: a little more than the longest of them. */
  readonly scaleMs: number;
};

const MARGIN = 1.15;

export function downtimeOf(migration: Moving): Downtime {
  const { policy, prediction, figures, blackoutMs } = migration;
  const budgetMs = policy.downtimeBudgetMs;
  const expected =
    prediction === undefined
      ? undefined
      : {
          limitMs: Math.max(0, prediction.downtimeMs - prediction.loadMs),
          loadMs: prediction.loadMs,
        };
  const realMs = figures?.downtimeMs;
  const all = [budgetMs, prediction?.downtimeMs, realMs, blackoutMs];
  const longest = Math.max(...all.map((ms) => ms ?? 0));
  return {
    budgetMs,
    expected,
    realMs,
    blackoutMs,
    parts: partsOf(migration),
    scaleMs: longest === 0 ? 1 : longest * MARGIN,
  };
}

function partsOf({ stoppedAtMs, sourceCompletedAtMs, blackoutMs }: Moving): DowntimePart[] {
  if (stoppedAtMs === undefined || blackoutMs === undefined) return [];
  if (sourceCompletedAtMs === undefined) return [{ name: "STOP to RESUME", ms: blackoutMs }];
  const sending = Math.min(blackoutMs, Math.max(0, sourceCompletedAtMs - stoppedAtMs));
  return [
    { name: "STOP to the source's end", ms: sending },
    { name: "from there to RESUME", ms: blackoutMs - sending },
  ];
}

/** The verdict in words: what a bar says by its lengths. */
export function downtimeVerdict({ budgetMs, expected, realMs }: Downtime): string | undefined {
  if (realMs === undefined) {
    if (budgetMs === undefined || expected === undefined) return undefined;
    const isWithin = expected.limitMs + expected.loadMs <= budgetMs;
    return isWithin ? "within its budget" : "above its budget";
  }
  if (budgetMs !== undefined) return realMs <= budgetMs ? "within its budget" : "above its budget";
  if (expected === undefined) return undefined;
  const isLess = realMs <= expected.limitMs + expected.loadMs;
  return isLess ? "not more than expected" : "more than expected";
}
