import { duration } from "../../core/format.ts";
import type { Recent } from "../data/recent.ts";
import { hrefTo } from "../routes.ts";
import { DataTable } from "./data-table.tsx";
import { Instant } from "./instant.tsx";
import { MigrationLink } from "./links.tsx";
import { ChartOrTable } from "./switch-view.tsx";

const SHOWN_MAX = 30;

type Row = {
  id: string;
  at: string;
  real: number;
  expected: number | undefined;
  budget: number | undefined;
};

/** Real downtime beside what was expected, move by move, oldest first. */
export function DowntimeHistory({ history }: { history: Recent["migrations"] }) {
  const rows = history
    .flatMap(({ id, createdAt, figures, prediction, policy }): Row[] =>
      figures === undefined
        ? []
        : [
            {
              id,
              at: createdAt,
              real: figures.downtimeMs,
              expected: prediction?.downtimeMs,
              budget: policy.downtimeBudgetMs,
            },
          ],
    )
    .slice(0, SHOWN_MAX)
    .toReversed();
  if (rows.length === 0) return <p class="quiet">It has not moved to an end yet.</p>;
  return (
    <ChartOrTable
      name="the downtimes"
      chart={<Columns rows={rows} />}
      table={() => <HistoryTable rows={rows.toReversed()} />}
    />
  );
}

function Columns({ rows }: { rows: readonly Row[] }) {
  const scale =
    Math.max(
      1,
      ...rows.flatMap(({ real, expected, budget }) => [real, expected ?? 0, budget ?? 0]),
    ) * 1.1;
  const percent = (ms: number) => `${(100 * ms) / scale}%`;
  return (
    <figure class="history">
      <ol>
        {rows.map(({ id, real, expected, budget }) => (
          <li key={id}>
            <a
              href={hrefTo("migrations", id)}
              aria-label={`${duration(real)} real${expected === undefined ? "" : `, at most ${duration(expected)} expected`}`}
            >
              <span class="history-track">
                <span class="history-real" style={{ height: percent(real) }} />
                {expected !== undefined && (
                  <span class="history-expected" style={{ bottom: percent(expected) }} />
                )}
                {budget !== undefined && (
                  <span class="history-budget" style={{ bottom: percent(budget) }} />
                )}
              </span>
              <span class="history-ms">{duration(real)}</span>
            </a>
          </li>
        ))}
      </ol>
      <figcaption class="legend">
        <span class="key key-real">real</span>
        <span class="key key-expected">at most expected</span>
        <span class="key key-budget">budget</span>
      </figcaption>
    </figure>
  );
}

function HistoryTable({ rows }: { rows: readonly Row[] }) {
  return (
    <DataTable
      caption="Downtimes"
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        { name: "Migration", cell: ({ id }) => <MigrationLink id={id} /> },
        { name: "Begun", cell: ({ at }) => <Instant at={at} /> },
        { name: "Real", cell: ({ real }) => duration(real), isFigure: true },
        { name: "Expected at most", cell: ({ expected }) => textOf(expected), isFigure: true },
        { name: "Budget", cell: ({ budget }) => textOf(budget), isFigure: true },
      ]}
    />
  );
}

function textOf(ms: number | undefined): string {
  return ms === undefined ? "–" : duration(ms);
}
