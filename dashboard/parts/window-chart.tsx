import { type Bar, daysOf, type WindowBar, type WindowLine } from "../model/windows.ts";

const TICKS_MAX = 7;
const day = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "short",
});
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** One row for each schedule: its windows, what of them is open, and now. */
export function WindowChart({ line }: { line: WindowLine }) {
  const ticks = daysOf(line, TICKS_MAX);
  return (
    <figure>
      <div class="windows" role="img" aria-label="Windows of each schedule; the table has the same">
        <div class="windows-axis">
          <div class="windows-lane">
            {ticks.map((ms) => (
              <span key={ms} class="gantt-tick" style={at(ms, line)}>
                {day.format(line.fromMs + ms)}
              </span>
            ))}
          </div>
        </div>
        {line.rows.map(({ id, name, bars, isPaused, hasMore }) => (
          <div key={id} class="windows-row">
            <span class="windows-name">
              {name}
              {isPaused && <span class="quiet"> paused</span>}
            </span>
            <div class="windows-lane">
              {ticks.map((ms) => (
                <span key={ms} class="gantt-grid" style={at(ms, line)} />
              ))}
              {bars.map((bar) => (
                <WindowMark key={bar.startsAt} bar={bar} line={line} />
              ))}
              <span class="gantt-line gantt-now" style={at(line.nowMs, line)} />
              {bars.length === 0 && (
                <span class="gantt-none">{noneText({ isPaused, hasMore })}</span>
              )}
            </div>
          </div>
        ))}
      </div>
      <figcaption class="legend">
        <span class="key key-open">open</span>
        <span class="key key-frozen">held by a change freeze</span>
        <span class="key key-refused">nothing was done in it</span>
        <span class="key key-now">now</span>
      </figcaption>
    </figure>
  );
}

function noneText({ isPaused, hasMore }: { isPaused: boolean; hasMore: boolean }): string {
  if (isPaused) return "opens no window";
  return hasMore ? "later than shown" : "no window to come";
}

function WindowMark({ bar, line }: { bar: WindowBar; line: WindowLine }) {
  const { startsAt, endsAt, open, outcome, isCurrent } = bar;
  const isUnused = outcome === "refused" || outcome === "nothing-to-do";
  const title = `${clock.format(Date.parse(startsAt))} to ${clock.format(Date.parse(endsAt))}`;
  return (
    <span
      class={`window ${isCurrent ? "window-current" : ""}`}
      style={place(bar, line)}
      title={outcome === undefined ? title : `${title}: ${outcome}`}
    >
      {open.map((span) => (
        <span
          key={span.fromMs}
          class={isUnused ? "window-unused" : "window-open"}
          style={within(span, bar)}
        />
      ))}
    </span>
  );
}

function at(ms: number, { spanMs }: WindowLine) {
  return { left: `${(100 * ms) / spanMs}%` };
}

function place({ fromMs, toMs }: Bar, { spanMs }: WindowLine) {
  return { left: `${(100 * fromMs) / spanMs}%`, width: `${(100 * (toMs - fromMs)) / spanMs}%` };
}

function within(span: Bar, bar: Bar) {
  const length = Math.max(1, bar.toMs - bar.fromMs);
  return {
    left: `${(100 * (span.fromMs - bar.fromMs)) / length}%`,
    width: `${(100 * (span.toMs - span.fromMs)) / length}%`,
  };
}
