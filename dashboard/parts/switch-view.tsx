import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

type Props = {
  name: string;
  /** Beside the switch; without it the switch is beside the section's title. */
  head?: ComponentChildren;
  chart: ComponentChildren;
  table: () => ComponentChildren;
};

/** A chart with the same as a table, one click away. */
export function ChartOrTable({ name, head, chart, table }: Props) {
  const [isTable, setTable] = useState(false);
  return (
    <div class="chart-or-table">
      <div class={head === undefined ? "chart-head chart-head-only" : "chart-head"}>
        {head ?? <span />}
        <Switch name={name} isTable={isTable} setTable={setTable} />
      </div>
      {isTable ? table() : chart}
    </div>
  );
}

type SwitchProps = { name: string; isTable: boolean; setTable: (isTable: boolean) => void };

function Switch({ name, isTable, setTable }: SwitchProps) {
  return (
    <fieldset class="segments">
      <legend class="hidden">Show {name} as</legend>
      <button type="button" aria-pressed={!isTable} onClick={() => setTable(false)}>
        Chart
      </button>
      <button type="button" aria-pressed={isTable} onClick={() => setTable(true)}>
        Table
      </button>
    </fieldset>
  );
}
