import { duration } from "../../core/format.ts";
import type { Evacuation } from "../api-types.ts";
import type { Bar, Gantt, GanttRow } from "../model/gantt.ts";
import { Badge } from "./badge.tsx";
import { DataTable } from "./data-table.tsx";
import { MigrationLink, VmLink } from "./links.tsx";
import { MoveControls } from "./move-controls.tsx";

type Props = { gantt: Gantt; evacuation: Evacuation; refresh: () => Promise<void> | undefined };

/** The chart of an evacuation as a table, with the controls of each VM. */
export function GanttTable({ gantt, evacuation, refresh }: Props) {
  return (
    <DataTable
      caption="Moves of the evacuation"
      rows={gantt.rows}
      keyOf={({ vm }) => vm}
      columns={[
        { name: "VM", cell: ({ vm }) => <VmLink id={vm} /> },
        { name: "To", cell: ({ target }) => target },
        { name: "State", cell: ({ state }) => <Badge state={state} /> },
        { name: "Planned", cell: ({ planned }) => barText(planned), isFigure: true },
        { name: "Actual", cell: actualCell, isFigure: true },
        { name: "Predicted rest", cell: ({ forecast }) => barText(forecast), isFigure: true },
        { name: "Downtime", cell: downtimeText, isFigure: true },
        {
          name: "Do",
          cell: ({ move }) =>
            move && <MoveControls evacuation={evacuation} move={move} refresh={refresh} />,
        },
      ]}
    />
  );
}

function barText(bar: Bar | undefined): string {
  return bar === undefined ? "–" : `${duration(bar.fromMs)} to ${duration(bar.toMs)}`;
}

function actualCell({ tries }: GanttRow) {
  if (tries.length === 0) return "–";
  return (
    <>
      {tries.map((one) => (
        <div key={one.migration}>
          <MigrationLink id={one.migration}>{barText(one)}</MigrationLink>
          {one.outcome === "failed" ? " failed" : ""}
        </div>
      ))}
    </>
  );
}

function downtimeText({ move }: GanttRow): string {
  const real = move?.tries.at(-1)?.downtimeMs;
  const expected = move?.predictedDowntimeMs;
  if (real === undefined && expected === undefined) return "–";
  const expectation = expected === undefined ? "" : `${duration(expected)} expected`;
  if (real === undefined) return expectation;
  return expectation === "" ? duration(real) : `${duration(real)} (${expectation})`;
}
