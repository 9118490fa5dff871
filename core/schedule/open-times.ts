import type { OpenTime } from "../evacuation/evacuation.ts";
import type { Pause } from "../evacuation/pause.ts";
import { SYSTEM, type TimedPause } from "../evacuation/pausing.ts";
import { type FreezeCalendar, freezeAt, openSpans, type Span } from "./change-freeze.ts";
import { currentOccurrence, nextOccurrences, type ScheduleTimes } from "./occurrences.ts";
import { mayStart } from "./window-fit.ts";

/** Windows that are looked ahead: what an evacuation is planned for. */
const WINDOWS_MAX = 50;
/** What does not end is planned with for so long after its start. */
const FOR_EVER_MS = 10 * 365 * 86_400_000;

type Of = {
  /** Absent: of an evacuation that no schedule has started. */
  readonly schedule?: (ScheduleTimes & { readonly isPaused: boolean }) | undefined;
  readonly calendar: FreezeCalendar;
  readonly nowMs: number;
};

/**
 * When migrations may run from now on: in the windows of the schedule, the one that is open first, less
 * the change freezes. Of a paused schedule only the window that is open counts. Undefined: at any time.
 */
export function openTimesOf({ schedule, calendar, nowMs }: Of): OpenTime[] | undefined {
  const windows = schedule === undefined ? [forEver(nowMs)] : windowsOf(schedule, nowMs);
  const open = windows
    .flatMap((window) => openSpans(window, calendar))
    .filter(({ endMs }) => endMs > nowMs)
    .slice(0, WINDOWS_MAX);
  const [first] = open;
  if (schedule === undefined && open.length === 1 && first?.startMs === nowMs) return undefined;
  return open.map(({ startMs, endMs }) => ({
    from: textOf(startMs),
    ...(Number.isFinite(endMs) ? { until: textOf(endMs) } : {}),
  }));
}

function forEver(startMs: number): Span {
  return { startMs, endMs: Number.POSITIVE_INFINITY };
}

function windowsOf(schedule: NonNullable<Of["schedule"]>, nowMs: number): Span[] {
  const current = currentOccurrence(schedule, nowMs);
  const next = schedule.isPaused ? [] : nextOccurrences(schedule, nowMs, WINDOWS_MAX);
  return current === undefined || current.endMs <= nowMs ? next : [current, ...next];
}

export function spansOf(open: readonly OpenTime[]): Span[] {
  return open.map(({ from, until }) => ({
    startMs: Date.parse(from),
    endMs: until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until),
  }));
}

/** The same for the planner: ms from now. Undefined: any time will do, or no time is left. */
export function planWindows(
  open: readonly OpenTime[] | undefined,
  nowMs: number,
): Span[] | undefined {
  const ahead = spansOf(open ?? []).filter(({ endMs }) => endMs > nowMs);
  if (ahead.length === 0) return undefined;
  return ahead.map((span) => {
    const startMs = Math.max(0, span.startMs - nowMs);
    return { startMs, endMs: Math.min(span.endMs - nowMs, startMs + FOR_EVER_MS) };
  });
}

/** Whether what takes so long may start now, to be over before the end of its open time. */
export function isTimeFor(
  open: readonly OpenTime[] | undefined,
  nowMs: number,
  neededMs: number,
): boolean {
  return open === undefined || mayStart(spansOf(open), nowMs, neededMs);
}

/** Until when it is open; undefined: it is closed. */
export function openUntilMs(open: readonly OpenTime[], nowMs: number): number | undefined {
  return spansOf(open).find(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs)?.endMs;
}

/** When the next open time begins. */
export function nextOpenMs(open: readonly OpenTime[], nowMs: number): number | undefined {
  return spansOf(open).find(({ startMs }) => startMs > nowMs)?.startMs;
}

/** The pause of an evacuation that may start nothing by the clock. */
export function timedPause(
  open: readonly OpenTime[],
  {
    nowMs,
    calendar,
    schedule,
  }: { nowMs: number; calendar: FreezeCalendar; schedule?: string | undefined },
): Omit<Pause, "since"> & { reason: TimedPause } {
  const nextMs = nextOpenMs(open, nowMs);
  const endsWith =
    nextMs === undefined
      ? "no window follows: give its schedule another start, or cancel it"
      : `it goes on by itself at ${textOf(nextMs)}`;
  // What would not end before a change freeze waits for its end, too.
  const freeze = freezeAt(calendar, openUntilMs(open, nowMs) ?? nowMs);
  if (freeze !== undefined) {
    const message = [freeze.owner, freeze.message].filter((text) => text !== undefined).join(": ");
    return {
      reason: "freeze",
      author: SYSTEM,
      message: message.slice(0, 500),
      endsWith,
    };
  }
  return { reason: "window-end", author: schedule ?? SYSTEM, endsWith };
}

function textOf(ms: number): string {
  return new Date(ms).toISOString();
}
