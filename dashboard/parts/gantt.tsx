import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../../core/format.ts";
import { type Bar, type Gantt, type GanttRow, ticksOf, visibleRows } from "../model/gantt.ts";
import { hrefTo } from "../routes.ts";

const ROW_PX = 26;
/** Room for one time on the axis. */
const TICK_PX = 110;

type Props = { gantt: Gantt };

/** Plan against actual, one row for each VM; only the rows in view are drawn. */
export function GanttChart({ gantt }: Props) {
  const scroller = useRef<HTMLElement>(null);
  const [view, setView] = useState({ top: 0, height: 600, width: 900 });
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const measure = () => {
      const { scrollTop: top, clientHeight: height, clientWidth: width } = element;
      setView({ top, height, width });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, []);
  const { rows } = gantt;
  const ticks = ticksOf(gantt.scaleMs, Math.max(2, Math.floor(view.width / TICK_PX)));
  const { first, end } = visibleRows({ count: rows.length, rowHeight: ROW_PX }, view);
  return (
    <figure class="gantt-figure">
      <section
        class="gantt"
        ref={scroller}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label="Plan and actual, one row for each VM"
      >
        <Axis gantt={gantt} ticks={ticks} />
        <div class="gantt-rows" style={{ height: `${rows.length * ROW_PX}px` }}>
          <Background gantt={gantt} ticks={ticks} />
          {rows.slice(first, end).map((row, place) => (
            <Row key={row.vm} row={row} gantt={gantt} topPx={(first + place) * ROW_PX} />
          ))}
        </div>
      </section>
      <Legend gantt={gantt} />
    </figure>
  );
}

function place({ fromMs, toMs }: Bar, { scaleMs }: Gantt) {
  return {
    left: `${(100 * fromMs) / scaleMs}%`,
    width: `${(100 * Math.max(0, toMs - fromMs)) / scaleMs}%`,
  };
}

function at(ms: number, { scaleMs }: Gantt) {
  return { left: `${(100 * ms) / scaleMs}%` };
}

type Scale = { gantt: Gantt; ticks: readonly number[] };

function Axis({ gantt, ticks }: Scale) {
  return (
    <div class="gantt-axis" aria-hidden="true">
      <div class="gantt-lane">
        {ticks.map((ms) => (
          <span key={ms} class="gantt-tick" style={at(ms, gantt)}>
            {ms === 0 ? "0" : duration(ms)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** What belongs to all rows: grid, band of the end, bound, now. */
function Background({ gantt, ticks }: Scale) {
  const { band, boundMs, endMs, nowMs, isOver } = gantt;
  return (
    <div class="gantt-lane gantt-back" aria-hidden="true">
      {ticks.map((ms) => (
        <span key={ms} class="gantt-grid" style={at(ms, gantt)} />
      ))}
      <span class="gantt-band" style={place(band, gantt)} />
      <span class="gantt-line gantt-bound" style={at(boundMs, gantt)} />
      <span class="gantt-line gantt-end" style={at(endMs, gantt)} />
      {nowMs !== undefined && !isOver && (
        <span class="gantt-line gantt-now" style={at(nowMs, gantt)} />
      )}
    </div>
  );
}

function Row({ row, gantt, topPx }: { row: GanttRow; gantt: Gantt; topPx: number }) {
  const { vm, planned, tries, forecast, state, target } = row;
  return (
    <div class="gantt-row" style={{ top: `${topPx}px` }}>
      <span class="gantt-name">
        <a href={hrefTo("vms", vm)}>{vm}</a>
        <span class="gantt-target">{target === undefined ? state : `→ ${target}`}</span>
      </span>
      <div class="gantt-lane">
        {planned !== undefined && <span class="gantt-plan" style={place(planned, gantt)} />}
        {forecast !== undefined && <span class="gantt-forecast" style={place(forecast, gantt)} />}
        {tries.map((one) => (
          <a
            key={one.migration}
            class={`gantt-try gantt-${one.outcome}`}
            style={place(one, gantt)}
            href={hrefTo("migrations", one.migration)}
          >
            <span class="hidden">
              {`${vm} to ${one.target}: ${one.outcome}, ${duration(one.toMs - one.fromMs)}`}
            </span>
          </a>
        ))}
        {planned === undefined && tries.length === 0 && <span class="gantt-none">{state}</span>}
      </div>
    </div>
  );
}

function Legend({ gantt }: { gantt: Gantt }) {
  const { band, boundMs, endMs, isOver } = gantt;
  return (
    <figcaption class="legend">
      <span class="key key-plan">planned</span>
      <span class="key key-moved">moved</span>
      <span class="key key-moving">moves now</span>
      <span class="key key-failed">failed</span>
      <span class="key key-forecast">predicted rest</span>
      <span class="key key-band">
        planned end between {duration(band.fromMs)} and {duration(band.toMs)}
      </span>
      <span class="key key-bound">lower bound {duration(boundMs)}</span>
      <span class="key key-end">
        {isOver ? "ended after" : "expected end"} {duration(endMs)}
      </span>
      {!isOver && gantt.nowMs !== undefined && <span class="key key-now">now</span>}
    </figcaption>
  );
}
