import type { ScheduleId } from "../id.ts";
import { type FreezeCalendar, openSpans, type Span } from "./change-freeze.ts";
import type { OccurrenceView, ScheduleRequest } from "./schedule.ts";
import { nextStart, startsBetween } from "./start-times.ts";

/** What the times of a schedule depend on. */
export type ScheduleTimes = Pick<ScheduleRequest, "starts" | "durationMs">;

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
  if (nextStart(times.starts, startMs - 1) !== startMs) return undefined;
  return withEnd(times, startMs);
}

/** The window that is open at an instant. */
export function currentOccurrence(times: ScheduleTimes, atMs: number): Occurrence | undefined {
  const { starts, durationMs } = times;
  // Windows that start within one duration before: two where a clock change brings them together.
  const range = { fromMs: atMs - durationMs + 1, untilMs: atMs + 1, max: 10 };
  const startMs = startsBetween(starts, range).at(-1);
  return startMs === undefined ? undefined : withEnd(times, startMs);
}

/** The next windows that start after an instant, the first ones first. */
export function nextOccurrences(times: ScheduleTimes, afterMs: number, max: number): Occurrence[] {
  const range = { fromMs: afterMs + 1, untilMs: Number.POSITIVE_INFINITY, max };
  return startsBetween(times.starts, range).map((startMs) => withEnd(times, startMs));
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
  const starts = startsBetween(times.starts, {
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
function withEnd({ starts, durationMs }: ScheduleTimes, startMs: number): Occurrence {
  const next = nextStart(starts, startMs) ?? Number.POSITIVE_INFINITY;
  return { startMs, endMs: Math.min(startMs + durationMs, next) };
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
