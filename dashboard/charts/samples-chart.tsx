import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { bytes, duration, rate } from "../../core/format.ts";
import type { Course } from "../model/course.ts";
import { shownTheme } from "../theme.ts";

const LEFT_PX = 170;
const RATES_PX = 150;
/** Room for the numbers of the axis, so that both charts share one. */
const AXIS_PX = 76;

type Props = { course: Course };

/** What is left above, bandwidth and dirty rate below, with one cursor and the same marks. */
export function SamplesChart({ course }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plots = useRef<uPlot[]>([]);
  const newest = useRef(course);
  newest.current = course;
  const theme = shownTheme.value;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = makePlots(element, () => newest.current);
    plots.current = made;
    const observer = new ResizeObserver(() => {
      for (const plot of made) plot.setSize({ width: element.clientWidth, height: plot.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      for (const plot of made) plot.destroy();
      plots.current = [];
    };
  }, [theme]);
  useEffect(() => {
    const [left, rates] = plots.current;
    left?.setData(leftData(course));
    rates?.setData(ratesData(course));
  }, [course]);
  return <div class="samples" ref={box} />;
}

function leftData({ atSeconds, leftBytes }: Course): uPlot.AlignedData {
  return [[...atSeconds], [...leftBytes]];
}

function ratesData({ atSeconds, bandwidth, dirty }: Course): uPlot.AlignedData {
  return [[...atSeconds], [...bandwidth], [...dirty]];
}

function makePlots(element: HTMLElement, newest: () => Course): uPlot[] {
  const font = `12px ${getComputedStyle(element).fontFamily}`;
  const colour = (name: string) => resolveColour(element, name);
  const lines = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, font };
  const x: uPlot.Series = { label: "after", value: shown(time) };
  const plot = (height: number, text: (value: number) => string, series: uPlot.Series[]) => ({
    width: element.clientWidth,
    height,
    cursor: { sync: { key: "migration" }, drag: { x: false, y: false } },
    plugins: [markPlugin(newest, { colour: colour("--text"), font })],
    scales: { x: { time: false, range: () => rangeOf(newest()) }, y: { range: fromZero } },
    axes: [
      { ...lines, values: (_plot: uPlot, ticks: number[]) => ticks.map(time), space: 70 },
      {
        ...lines,
        size: AXIS_PX,
        incrs: binarySteps,
        values: (_plot: uPlot, ticks: number[]) => ticks.map(text),
        space: 34,
      },
    ],
    series: [x, ...series.map((one) => ({ ...one, width: 2, value: shown(text) }))],
  });
  const left = plot(LEFT_PX, bytes, [
    { label: "left", stroke: colour("--accent"), fill: colour("--accent-soft") },
  ]);
  const rates = plot(RATES_PX, rate, [
    { label: "sent", stroke: colour("--ok") },
    { label: "dirtied", stroke: colour("--bad"), dash: [6, 4] },
  ]);
  const course = newest();
  return [new uPlot(left, leftData(course), element), new uPlot(rates, ratesData(course), element)];
}

/** A canvas does not know the style sheet's variables. */
function resolveColour(element: HTMLElement, variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Steps of an axis of bytes: 1, 2, 4 … */
const binarySteps = Array.from({ length: 51 }, (_unused, power) => 2 ** power);

function time(seconds: number): string {
  return seconds === 0 ? "0" : duration(seconds * 1000);
}

function shown(text: (value: number) => string): uPlot.Series.Value {
  return (_plot, value) => (value == null ? "–" : text(value));
}

function fromZero(_plot: uPlot, _least: number, most: number): [number, number] {
  return [0, Math.max(1024, most || 0) * 1.08];
}

/** From the start to the last figure or the last mark, whichever is later. */
function rangeOf({ startMs, atSeconds, marks }: Course): [number, number] {
  const lastMark = ((marks.at(-1)?.atMs ?? startMs) - startMs) / 1000;
  const last = Math.max(0.1, atSeconds.at(-1) ?? 0, lastMark);
  return [-last * 0.015, last * 1.03];
}

/** Draws a line with its letter for each mark; marks that would cover each other share a line. */
function markPlugin(
  newest: () => Course,
  look: { readonly colour: string; readonly font: string },
): uPlot.Plugin {
  return {
    hooks: {
      draw: (plot) => {
        const { ctx, bbox } = plot;
        const ratio = devicePixelRatio;
        ctx.save();
        ctx.strokeStyle = look.colour;
        ctx.fillStyle = look.colour;
        ctx.lineWidth = ratio;
        ctx.setLineDash([2 * ratio, 3 * ratio]);
        ctx.textAlign = "center";
        ctx.font = look.font.replace("12px", `${11 * ratio}px`);
        for (const { at, keys } of groupMarks(newest(), plot, 14 * ratio)) {
          ctx.beginPath();
          ctx.moveTo(at, bbox.top + 13 * ratio);
          ctx.lineTo(at, bbox.top + bbox.height);
          ctx.stroke();
          ctx.fillText(keys, at, bbox.top + 10 * ratio);
        }
        ctx.restore();
      },
    },
  };
}

function groupMarks({ marks, startMs }: Course, plot: uPlot, apart: number) {
  const groups: { at: number; keys: string }[] = [];
  for (const { atMs, key } of marks) {
    const at = plot.valToPos((atMs - startMs) / 1000, "x", true);
    const last = groups.at(-1);
    if (last !== undefined && at - last.at < apart) last.keys += key;
    else groups.push({ at, keys: key });
  }
  return groups;
}
