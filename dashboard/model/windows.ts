const DAY_MS = 86_400_000;
/** A time line that is longer would make a window of an hour invisible. */
const SPAN_MS_MAX = 14 * DAY_MS;
const SPAN_MS_MIN = DAY_MS;

/** From and to, ms from the begin of the time line. */
export type Bar = { readonly fromMs: number; readonly toMs: number };

export type WindowBar = Bar & {
  readonly startsAt: string;
  readonly endsAt: string;
  /** The parts of the window that no change freeze holds. */
  readonly open: readonly Bar[];
  readonly isCurrent: boolean;
  /** What became of one that was opened. */
  readonly outcome?: string | undefined;
};

export type WindowRow = {
  readonly id: string;
  readonly name: string;
  readonly isPaused: boolean;
  readonly bars: readonly WindowBar[];
  /** It has windows after the end of the time line. */
  readonly hasMore: boolean;
};

export type WindowLine = {
  readonly fromMs: number;
  readonly spanMs: number;
  /** ms from the begin. */
  readonly nowMs: number;
  readonly rows: readonly WindowRow[];
};

type View = {
  readonly startsAt: string;
  readonly endsAt: string;
  readonly open: readonly { readonly from: string; readonly until?: string | undefined }[];
};

type ScheduleTimes = {
  readonly id: string;
  readonly name: string;
  readonly paused?: unknown;
  readonly current?: View | undefined;
  readonly next: readonly View[];
  readonly durationMs: number;
  readonly runs?: readonly { readonly startsAt: string; readonly outcome: string }[] | undefined;
};

/**
 * The windows of all schedules on one line: a quarter of it is past, from a day to two weeks as the next
 * windows need.
 */
export function windowLine(schedules: readonly ScheduleTimes[], nowMs: number): WindowLine {
  const ends = schedules.flatMap(({ next }) => next.map(({ endsAt }) => Date.parse(endsAt)));
  const aheadMs = Math.max(0, ...ends.map((end) => end - nowMs));
  const spanMs = Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, (aheadMs * 4) / 3));
  const fromMs = nowMs - spanMs / 4;
  const rows = schedules.map((schedule) => rowOf(schedule, { fromMs, toMs: fromMs + spanMs }));
  return { fromMs, spanMs, nowMs: nowMs - fromMs, rows };
}

function rowOf(schedule: ScheduleTimes, line: Bar): WindowRow {
  const { id, name, paused, current, next, runs = [], durationMs } = schedule;
  const known = [...(current === undefined ? [] : [current]), ...next];
  const past = runs
    .filter(({ startsAt }) => known.every((one) => one.startsAt !== startsAt))
    .map(({ startsAt }) => {
      const endsAt = new Date(Date.parse(startsAt) + durationMs).toISOString();
      return { startsAt, endsAt, open: [{ from: startsAt, until: endsAt }] };
    });
  const bars = [...past, ...known]
    .filter(({ startsAt, endsAt }) => isWithin({ startsAt, endsAt }, line))
    .map((view) => ({
      ...barOf(view.startsAt, view.endsAt, line),
      startsAt: view.startsAt,
      endsAt: view.endsAt,
      open: view.open.map(({ from, until = view.endsAt }) => barOf(from, until, line)),
      isCurrent: view === current,
      outcome: runs.find(({ startsAt }) => startsAt === view.startsAt)?.outcome,
    }));
  const hasMore = next.some(({ startsAt }) => Date.parse(startsAt) >= line.toMs);
  return { id, name, isPaused: paused !== undefined, bars, hasMore };
}

function isWithin({ startsAt, endsAt }: Pick<View, "startsAt" | "endsAt">, line: Bar): boolean {
  return Date.parse(endsAt) > line.fromMs && Date.parse(startsAt) < line.toMs;
}

/** Cut to the line. */
function barOf(from: string, until: string, line: Bar): Bar {
  const cut = (instant: string) =>
    Math.min(line.toMs, Math.max(line.fromMs, Date.parse(instant))) - line.fromMs;
  return { fromMs: cut(from), toMs: cut(until) };
}

/** Midnights of UTC on the line, ms from its begin, so few that their names have room. */
export function daysOf({ fromMs, spanMs }: WindowLine, ticksMax: number): number[] {
  const days = spanMs / DAY_MS;
  const every = [1, 2, 4, 7, 14].find((one) => days / one <= ticksMax) ?? 28;
  const first = Math.ceil(fromMs / DAY_MS) * DAY_MS;
  const count = Math.floor((fromMs + spanMs - first) / (every * DAY_MS)) + 1;
  return Array.from(
    { length: Math.max(0, count) },
    (_, at) => first + at * every * DAY_MS - fromMs,
  );
}
