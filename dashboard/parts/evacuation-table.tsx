import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { duration } from "../../core/format.ts";
import type { Evacuation } from "../api-types.ts";
import { hostsText } from "../model/attention.ts";
import { hrefTo } from "../routes.ts";
import { Badge } from "./badge.tsx";
import { DataTable } from "./data-table.tsx";
import { Instant } from "./instant.tsx";

export function EvacuationTable({ rows, empty }: { rows: readonly Evacuation[]; empty: string }) {
  return (
    <DataTable
      caption="Evacuations"
      rows={rows}
      keyOf={({ id }) => id}
      empty={empty}
      columns={[
        {
          name: "Empties",
          cell: (one) => <a href={hrefTo("evacuations", one.id)}>{hostsText(one)}</a>,
        },
        { name: "State", cell: ({ status }) => <Badge state={status} /> },
        { name: "VMs", cell: (one) => <ProgressBar evacuation={one} /> },
        { name: "Ends", cell: endsText, isFigure: true },
        { name: "Planned by", cell: ({ plannedBy }) => plannedBy },
        { name: "Created", cell: ({ createdAt }) => <Instant at={createdAt} /> },
      ]}
    />
  );
}

/** How many VMs have moved, with the number as text. */
export function ProgressBar({ evacuation: { counters } }: { evacuation: Evacuation }) {
  const { moved, total, failed, unplaced, skipped } = counters;
  const stay = failed + unplaced + skipped;
  return (
    <span class="progress">
      <progress max={Math.max(1, total)} value={moved} aria-label={`${moved} of ${total} moved`} />
      <span>
        {moved} of {total} moved
        {stay > 0 ? `, ${stay} to stay` : ""}
      </span>
    </span>
  );
}

/** When it ends, and by how much above the bound it ended. */
export function endsText({ eta, status, pauses }: Evacuation): string {
  if (eta.realMs !== undefined) return `took ${duration(eta.realMs)}`;
  if (isFinalEvacuation(status) || status === "rolling-back") return "–";
  if (status === "planned") return `takes ${duration(eta.plannedMs)}`;
  const left = `${duration(Math.ceil((eta.remainingMs ?? eta.plannedMs) / 1000) * 1000)}`;
  return pauses.length > 0 ? `${left} after the pause` : `in ${left}`;
}
