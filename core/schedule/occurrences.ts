import type { ScheduleId } from "../id.ts";
import { type FreezeCalendar, openSpans, type Span } from "./change-freeze.ts";
import type { OccurrenceView, ScheduleRequest } from "./schedule.ts";
import { startsBetween } from "./start-times.ts";

/** What the times of a schedule depend on. */
export type ScheduleTimes = Pick<ScheduleRequest, "starts" | "durationMs"> & {
  /** Starts that open no window. */
  readonly skipped?: readonly { readonly startsAt: string }[] | undefined;
  /** A start besides those of `starts`. */
  readonly extra?: { readonly startsAt: string } | undefined;
};

/** One window of a schedule; it is known by its start. Instants in ms. */
export type Occurrence = Span;

/** Windows that nobody opened. */
export type Missed = {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly isAtLeast: boolean;
};

/** Missed windows are counted up to here. */
const MISSED_MAX = 10_000;

/**
 * The occurrence that starts at an instant; undefined: none does, so a start that is delivered for it
 * is one of a former version of the schedule, and changes nothing.
 */
export function occurrenceAt(times: ScheduleTimes, startMs: number): Occurrence | undefined {
  if (startAfter(times, startMs - 1) !== startMs) return undefined;
  return withEnd(times, startMs);
}

/** The window that is open at an instant. */
export function currentOccurrence(times: ScheduleTimes, atMs: number): Occurrence | undefined {
  // Windows that start within one duration before: two where a clock change brings them together.
  const range = { fromMs: atMs - times.durationMs + 1, untilMs: atMs + 1, max: 10 };
  const startMs = startsIn(times, range).at(-1);
  return startMs === undefined ? undefined : withEnd(times, startMs);
}

/** The next windows that start after an instant, the first ones first. */
export function nextOccurrences(times: ScheduleTimes, afterMs: number, max: number): Occurrence[] {
  const range = { fromMs: afterMs + 1, untilMs: Number.POSITIVE_INFINITY, max };
  return startsIn(times, range).map((startMs) => withEnd(times, startMs));
}

/**
 * Windows that started after the last one that was handled, and are over: they are counted and not
 * caught up, as nothing runs outside a window. One that is still open is not missed.
 */
export function missedOccurrences(
  times: ScheduleTimes,
  { handledMs, nowMs }: { handledMs: number; nowMs: number },
): Missed | undefined {
  const untilMs = nowMs - times.durationMs + 1;
  const starts = startsIn(times, {
    fromMs: handledMs + 1,
    untilMs,
    max: MISSED_MAX + 1,
  });
  const counted = starts.slice(0, MISSED_MAX);
  const [firstMs] = counted;
  const lastMs = counted.at(-1);
  if (firstMs === undefined || lastMs === undefined) return undefined;
  return { firstMs, lastMs, count: counted.length, isAtLeast: starts.length > MISSED_MAX };
}

/** A window lasts as long as it says in elapsed time, and ends when the next one starts. */
function withEnd(times: ScheduleTimes, startMs: number): Occurrence {
  const next = startAfter(times, startMs) ?? Number.POSITIVE_INFINITY;
  return { startMs, endMs: Math.min(startMs + times.durationMs, next) };
}

/** The first start after an instant that opens a window; undefined: there is none. */
export function startAfter(times: ScheduleTimes, afterMs: number): number | undefined {
  const range = { fromMs: afterMs + 1, untilMs: Number.POSITIVE_INFINITY, max: 1 };
  return startsIn(times, range)[0];
}

type Range = { readonly fromMs: number; readonly untilMs: number; readonly max: number };

/** Starts without those that are skipped, and with the one that a person has added, in their order. */
function startsIn({ starts, skipped = [], extra }: ScheduleTimes, range: Range): number[] {
  const { fromMs, untilMs, max } = range;
  const left = new Set(skipped.map(({ startsAt }) => Date.parse(startsAt)));
  const found = startsBetween(starts, { fromMs, untilMs, max: max + left.size })
    .filter((startMs) => !left.has(startMs))
    .slice(0, max);
  const extraMs = extra === undefined ? Number.NaN : Date.parse(extra.startsAt);
  if (!(extraMs >= fromMs && extraMs < untilMs)) return found;
  return [...found, extraMs].toSorted((a, b) => a - b).slice(0, max);
}

/** An occurrence has one evacuation: its key is what a second delivery of the start runs into. */
export function occurrenceKey(id: ScheduleId, startMs: number): string {
  return `${id}@${new Date(startMs).toISOString()}`;
}

/**
 * A one-time schedule expression of Amazon EventBridge Scheduler, in UTC: engines get instants, so
 * that their own rules for clock changes do not matter.
 */
export function engineExpression(startMs: number): string {
  return `at(${new Date(startMs).toISOString().slice(0, 19)})`;
}

export function occurrenceView(
  id: ScheduleId,
  occurrence: Occurrence,
  calendar: FreezeCalendar,
): OccurrenceView {
  const text = (ms: number) => new Date(ms).toISOString();
  const { startMs, endMs } = occurrence;
  return {
    key: occurrenceKey(id, startMs),
    startsAt: text(startMs),
    endsAt: text(endMs),
    open: openSpans(occurrence, calendar).map((span) => ({
      from: text(span.startMs),
      until: text(span.endMs),
    })),
  };
}
