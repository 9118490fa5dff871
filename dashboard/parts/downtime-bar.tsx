import { duration } from "../../core/format.ts";
import type { Moving } from "../api-types.ts";
import { type Downtime, downtimeOf, downtimeVerdict } from "../model/downtime.ts";
import { DataTable } from "./data-table.tsx";
import { ChartOrTable } from "./switch-view.tsx";

/** Budget, expected and real downtime beside each other. */
export function DowntimeBar({ migration }: { migration: Moving }) {
  const downtime = downtimeOf(migration);
  const verdict = downtimeVerdict(downtime);
  const isEmpty = rowsOf(downtime).length === 0;
  if (isEmpty) return <p class="quiet">No budget was set, and nothing is known of it yet.</p>;
  const shownMs = downtime.realMs ?? expectedMs(downtime) ?? downtime.budgetMs ?? 0;
  const kind = downtime.realMs === undefined ? "expected at most" : "real";
  return (
    <ChartOrTable
      name="the downtime"
      head={
        <p class="figure-line">
          <strong>{duration(shownMs)}</strong> {kind}
          {verdict === undefined ? "" : `, ${verdict}`}
        </p>
      }
      chart={<Bars downtime={downtime} />}
      table={() => <Rows downtime={downtime} />}
    />
  );
}

function expectedMs({ expected }: Downtime): number | undefined {
  return expected === undefined ? undefined : expected.limitMs + expected.loadMs;
}

type Row = { name: string; ms: number; parts: { name: string; ms: number; look: string }[] };

function rowsOf(downtime: Downtime): Row[] {
  const { budgetMs, expected, realMs, blackoutMs, parts } = downtime;
  const rows: Row[] = [];
  if (budgetMs !== undefined) {
    rows.push({
      name: "Budget",
      ms: budgetMs,
      parts: [{ name: "budget", ms: budgetMs, look: "budget" }],
    });
  }
  if (expected !== undefined) {
    const load = { name: "load time learned", ms: expected.loadMs, look: "load" };
    const limit = { name: "QEMU's limit", ms: expected.limitMs, look: "limit" };
    rows.push({ name: "Expected", ms: expected.limitMs + expected.loadMs, parts: [limit, load] });
  }
  if (realMs !== undefined) {
    rows.push({ name: "Real", ms: realMs, parts: [{ name: "by QEMU", ms: realMs, look: "real" }] });
  }
  if (blackoutMs !== undefined) {
    const styles = ["send", "resume"];
    rows.push({
      name: "Blackout",
      ms: blackoutMs,
      parts: parts.map((part, place) => ({ ...part, look: styles[place] ?? "send" })),
    });
  }
  return rows;
}

function Bars({ downtime }: { downtime: Downtime }) {
  const { scaleMs, budgetMs } = downtime;
  const percent = (ms: number) => `${(100 * ms) / scaleMs}%`;
  return (
    <figure class="downtime">
      {rowsOf(downtime).map(({ name, ms, parts }) => (
        <div key={name} class="downtime-row">
          <span class="downtime-name">{name}</span>
          <span class="downtime-track">
            {parts.map((part) => (
              <span
                key={part.name}
                class={`downtime-part look-${part.look}`}
                style={{ width: percent(part.ms) }}
              />
            ))}
            {budgetMs !== undefined && name !== "Budget" && (
              <span class="downtime-budget" style={{ left: percent(budgetMs) }} />
            )}
          </span>
          <span class="downtime-ms">{duration(ms)}</span>
        </div>
      ))}
      <figcaption class="quiet">
        Expected is QEMU's limit, then the load time that was learned; blackout is STOP on the
        source to RESUME on the target. The dashed line is the budget.
      </figcaption>
    </figure>
  );
}

function Rows({ downtime }: { downtime: Downtime }) {
  const rows = rowsOf(downtime).flatMap(({ name, ms, parts }) => [
    { name, part: "", ms },
    ...(parts.length > 1 ? parts.map((part) => ({ name, part: part.name, ms: part.ms })) : []),
  ]);
  return (
    <DataTable
      caption="Downtime"
      rows={rows}
      keyOf={({ name, part }) => `${name} ${part}`}
      columns={[
        { name: "Time", cell: ({ name, part }) => (part === "" ? name : `– ${part}`) },
        { name: "Length", cell: ({ ms }) => duration(ms), isFigure: true },
      ]}
    />
  );
}
