import { bytes } from "../../core/format.ts";
import type { Fleet } from "../api-types.ts";
import { type Cell, heatOf } from "../model/heat.ts";
import { hrefTo } from "../routes.ts";
import { Badge } from "./badge.tsx";
import { DataTable } from "./data-table.tsx";
import { HostLink } from "./links.tsx";
import { ChartOrTable } from "./switch-view.tsx";

/** From so many hosts on, cells are small and have no text but a letter. */
const SMALL_FROM = 60;

/** All hosts: the level of a cell is its committed memory, its pattern and letter the state. */
export function HeatMap({ fleet }: { fleet: Fleet }) {
  const cells = heatOf(fleet);
  if (cells.length === 0) {
    return (
      <p class="quiet">
        No host has joined yet: <code>switchyard host add</code> makes one and prints its key.
      </p>
    );
  }
  return (
    <ChartOrTable
      name="hosts"
      chart={
        <>
          <ul class={`heat ${cells.length >= SMALL_FROM ? "heat-small" : ""}`}>
            {cells.map((cell) => (
              <li key={cell.host}>
                <HeatCell cell={cell} />
              </li>
            ))}
          </ul>
          <p class="quiet legend">
            Filled: committed memory. ▲ moves out, ▼ moves in. C cordoned, D draining, M
            maintenance, J joining, R retiring, ! silent.
          </p>
        </>
      }
      table={() => <HostTable cells={cells} />}
    />
  );
}

function HeatCell({ cell }: { cell: Cell }) {
  const { host, state, letter, share, vms, outgoing, incoming } = cell;
  const full = share === undefined ? "memory unknown" : `${Math.round(share * 100)} %`;
  return (
    <a
      class={`cell cell-${state}`}
      href={hrefTo("hosts", host)}
      title={`${host}, ${state}, ${full}`}
    >
      <span class="cell-level" style={{ height: `${100 * (share ?? 0)}%` }} />
      <span class="cell-name">{host}</span>
      <span class="hidden">, {state}, </span>
      <span class="cell-letter">
        {outgoing > 0 && <span class="cell-moves">▲{outgoing}</span>}
        {incoming > 0 && <span class="cell-moves">▼{incoming}</span>}
        {letter !== "" && <b aria-hidden="true">{letter}</b>}
      </span>
      <span class="cell-more">{vms} VMs</span>
      <span class="cell-share">{full}</span>
    </a>
  );
}

function memoryText({ reservedBytes, memoryBytes }: Cell): string {
  const all = memoryBytes === undefined ? "unknown" : bytes(memoryBytes);
  return `${bytes(reservedBytes)} of ${all}`;
}

export function HostTable({ cells }: { cells: readonly Cell[] }) {
  return (
    <DataTable
      caption="Hosts"
      rows={cells}
      keyOf={({ host }) => host}
      columns={[
        { name: "Host", cell: ({ host }) => <HostLink id={host} /> },
        { name: "State", cell: ({ state }) => <Badge state={state} /> },
        { name: "VMs", cell: ({ vms }) => vms, isFigure: true },
        { name: "Memory", cell: memoryText, isFigure: true },
        { name: "Moves out", cell: ({ outgoing }) => outgoing, isFigure: true },
        { name: "Moves in", cell: ({ incoming }) => incoming, isFigure: true },
      ]}
    />
  );
}
