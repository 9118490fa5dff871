import type { Blocker } from "../negotiate/agreement.ts";
import type { Span } from "./change-freeze.ts";

/** Latest start of what takes so long, to be over when the span ends; undefined: it never fits. */
export function cutOffMs({ startMs, endMs }: Span, neededMs: number): number | undefined {
  return neededMs > endMs - startMs ? undefined : endMs - neededMs;
}

/** Whether what takes so long may start now: within an open span, and over before its end. */
export function mayStart(open: readonly Span[], nowMs: number, neededMs: number): boolean {
  return open.some((span) => {
    const latestMs = cutOffMs(span, neededMs);
    return latestMs !== undefined && span.startMs <= nowMs && nowMs <= latestMs;
  });
}

/** When what takes so long may start at the earliest; undefined: in none of the spans. */
export function earliestStartMs(
  open: readonly Span[],
  nowMs: number,
  neededMs: number,
): number | undefined {
  return open
    .map((span) => ({ atMs: Math.max(nowMs, span.startMs), latestMs: cutOffMs(span, neededMs) }))
    .filter(({ atMs, latestMs }) => latestMs !== undefined && atMs <= latestMs)
    .map(({ atMs }) => atMs)
    .toSorted((one, other) => one - other)[0];
}

/** Whether an evacuation fits a window: refusals forbid it, warnings do not. */
export type WindowFit = {
  readonly refusals: readonly Blocker[];
  readonly warnings: readonly string[];
};

/**
 * A window below the lower bound is refused, as no schedule could keep it, unless it is meant to be
 * spread over windows; then only single VMs can be too long, and the plan itself says so. One that the
 * prediction exceeds, or that the bound fills, gets a warning.
 */
export function windowFit(
  windowMs: number,
  plan: { readonly lowerBoundMs: number; readonly etaMs: number },
  { spread }: { readonly spread: boolean },
): WindowFit {
  const { lowerBoundMs, etaMs } = plan;
  const has = `and the window has ${minutes(windowMs)}`;
  if (lowerBoundMs > windowMs) {
    if (spread) {
      const count = Math.ceil(lowerBoundMs / windowMs);
      return {
        refusals: [],
        warnings: [`It takes ${minutes(lowerBoundMs)} at least, ${has}: ${count} windows or more`],
      };
    }
    const refusal = {
      code: "window-too-short",
      field: "durationMs",
      message: `It takes ${minutes(lowerBoundMs)} at least, ${has}`,
      cure: "Give it a longer window, spread it over windows, or empty fewer hosts",
    };
    return { refusals: [refusal], warnings: [] };
  }
  if (lowerBoundMs === windowMs) {
    return {
      refusals: [],
      warnings: [`It takes ${minutes(lowerBoundMs)} at least, ${has}: no time is left`],
    };
  }
  if (etaMs <= windowMs) return { refusals: [], warnings: [] };
  const rest = "what is left goes on in the next window";
  return {
    refusals: [],
    warnings: [`It is predicted to take ${minutes(etaMs)}, ${has}: ${rest}`],
  };
}

function minutes(ms: number): string {
  return `${Math.round(ms / 6_000) / 10} min`;
}
