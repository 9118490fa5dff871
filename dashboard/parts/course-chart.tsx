import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { bytes, duration, rate } from "../../core/format.ts";
import { type Course, hasFigures } from "../model/course.ts";
import { DataTable } from "./data-table.tsx";
import { ChartOrTable } from "./switch-view.tsx";

type Chart = FunctionComponent<{ course: Course }>;
type Props = { course: Course; head: ComponentChildren; isOver: boolean };

/** The figures of a migration over time; the chart's code is loaded when one is shown. */
export function CourseChart({ course, head, isOver }: Props) {
  const [Loaded, setLoaded] = useState<{ Chart: Chart } | undefined>(undefined);
  useEffect(() => {
    void import("../charts/samples-chart.tsx").then(({ SamplesChart }) =>
      setLoaded({ Chart: SamplesChart }),
    );
  }, []);
  if (!hasFigures(course)) {
    const why = isOver
      ? "It was over before its first figures were due."
      : "No figures have come yet.";
    return (
      <>
        {head}
        <p class="quiet">{why}</p>
        <Marks course={course} />
      </>
    );
  }
  return (
    <ChartOrTable
      name="the course"
      head={head}
      chart={
        <figure class="course">
          {Loaded === undefined ? <div class="samples" /> : <Loaded.Chart course={course} />}
          <figcaption>
            <Marks course={course} />
          </figcaption>
        </figure>
      }
      table={() => <CourseTable course={course} />}
    />
  );
}

function Marks({ course: { marks, startMs } }: { course: Course }) {
  if (marks.length === 0) return null;
  return (
    <div class="legend">
      {marks.map(({ key, name, atMs }) => (
        <span key={`${key} ${atMs}`} class="mark">
          <b>{key}</b> {name} <span class="quiet">{duration(atMs - startMs)}</span>
        </span>
      ))}
    </div>
  );
}

type Row = { ms: number; left: string; sent: string; dirty: string; pass: string; mark: string };

function CourseTable({ course }: { course: Course }) {
  const { startMs, atSeconds, leftBytes, bandwidth, dirty, passes, marks } = course;
  const none = { left: "", sent: "", dirty: "", pass: "", mark: "" };
  const figures = atSeconds.map(
    (at, place): Row => ({
      ...none,
      ms: at * 1000,
      left: textOf(leftBytes[place], bytes),
      sent: textOf(bandwidth[place], rate),
      dirty: textOf(dirty[place], rate),
      pass: textOf(passes[place], String),
    }),
  );
  const moments = marks.map(({ atMs, name }): Row => ({ ...none, ms: atMs - startMs, mark: name }));
  const rows = [...figures, ...moments].toSorted((a, b) => a.ms - b.ms);
  return (
    <DataTable
      caption="Course of the migration"
      rows={rows}
      keyOf={({ ms, mark }) => `${ms} ${mark}`}
      columns={[
        { name: "After the start", cell: ({ ms }) => duration(ms), isFigure: true },
        { name: "Left", cell: ({ left }) => left, isFigure: true },
        { name: "Sent", cell: ({ sent }) => sent, isFigure: true },
        { name: "Dirtied", cell: ({ dirty: dirtied }) => dirtied, isFigure: true },
        { name: "Pass", cell: ({ pass }) => pass, isFigure: true },
        { name: "Moment", cell: ({ mark }) => mark },
      ]}
    />
  );
}

function textOf(value: number | null | undefined, text: (value: number) => string): string {
  return value == null ? "" : text(value);
}
