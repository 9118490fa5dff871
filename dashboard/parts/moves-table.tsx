import { bytes, duration, rate } from "../../core/format.ts";
import { precopyEnd, remainingBytes } from "../../core/migration/estimate.ts";
import type { Moving } from "../api-types.ts";
import { Badge } from "./badge.tsx";
import { DataTable } from "./data-table.tsx";
import { MigrationLink, Route } from "./links.tsx";

/** Migrations that go on. */
export function MovesTable({ moves, empty }: { moves: readonly Moving[]; empty: string }) {
  return (
    <DataTable
      caption="Migrations that run"
      rows={moves}
      keyOf={({ id }) => id}
      empty={empty}
      columns={[
        { name: "VM", cell: ({ id, vm }) => <MigrationLink id={id}>{vm}</MigrationLink> },
        { name: "From, to", cell: (one) => <Route source={one.source} target={one.target} /> },
        { name: "Phase", cell: (one) => <Badge state={phaseText(one)} /> },
        { name: "Left", cell: (one) => textOf(remainingBytes(one), bytes), isFigure: true },
        {
          name: "Sent",
          cell: ({ progress }) => textOf(progress?.bandwidthBytesPerSecond, rate),
          isFigure: true,
        },
        {
          name: "Dirtied",
          cell: ({ progress }) => textOf(progress?.dirtyBytesPerSecond, rate),
          isFigure: true,
        },
        { name: "Ends", cell: endText, isFigure: true },
      ]}
    />
  );
}

export function phaseText({ status, phase, gate }: Moving): string {
  if (status !== "running") return status;
  return gate?.heldAtMs !== undefined && gate.openedAtMs === undefined ? "held" : phase;
}

export function endText(migration: Moving): string {
  const { status, stoppedAtMs, phase, queue } = migration;
  if (status !== "running") return "–";
  if (queue !== undefined) return `waits, place ${queue.place ?? "?"}`;
  if (phase === "admit") return "waits";
  if (stoppedAtMs !== undefined) return "now";
  const end = precopyEnd(migration);
  if (end === undefined) return "–";
  if (end === "held") return "when permitted";
  if (end === "never") return "not at these rates";
  return `in ${duration(Math.ceil(end / 1000) * 1000)}`;
}

function textOf(count: number | undefined, text: (count: number) => string): string {
  return count === undefined ? "–" : text(count);
}
