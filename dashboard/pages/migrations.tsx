import { useState } from "preact/hooks";
import { duration } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Recent } from "../data/recent.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { Instant } from "../parts/instant.tsx";
import { MigrationLink, Route } from "../parts/links.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";
import { usePoller } from "../parts/use-poller.ts";

const PAGE_MAX = 100;
const filters = ["all", "running", "completed", "failed", "cancelled", "unknown"] as const;
type Filter = (typeof filters)[number];

export function MigrationsPage() {
  const [filter, setFilter] = useState<Filter>("all");
  const poller = usePoller(
    filter,
    () =>
      client().listMigrations({
        limit: PAGE_MAX,
        ...(filter === "all" ? {} : { status: filter }),
      }),
    ({ items }) => items.some(({ status }) => status === "running"),
  );
  const page = poller?.value.value;
  return (
    <Page title="Migrations" name="Migrations">
      <fieldset class="segments">
        <legend class="hidden">Show</legend>
        {filters.map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={one === filter}
            onClick={() => setFilter(one)}
          >
            {one}
          </button>
        ))}
      </fieldset>
      <ReadState error={poller?.error.value} isThere={page !== undefined} />
      {page !== undefined && (
        <Section title={page.next === undefined ? "Newest first" : `The newest ${PAGE_MAX}`}>
          <MigrationTable rows={page.items} empty="None." />
        </Section>
      )}
    </Page>
  );
}

export function MigrationTable({ rows, empty }: { rows: Recent["migrations"]; empty: string }) {
  return (
    <DataTable
      caption="Migrations"
      rows={rows}
      keyOf={({ id }) => id}
      empty={empty}
      columns={[
        { name: "VM", cell: ({ id, vm }) => <MigrationLink id={id}>{vm}</MigrationLink> },
        { name: "From, to", cell: (one) => <Route source={one.source} target={one.target} /> },
        { name: "State", cell: ({ status }) => <Badge state={status} /> },
        { name: "Downtime", cell: ({ figures }) => msText(figures?.downtimeMs), isFigure: true },
        {
          name: "Expected at most",
          cell: ({ prediction }) => msText(prediction?.downtimeMs),
          isFigure: true,
        },
        { name: "Took", cell: tookText, isFigure: true },
        { name: "Begun", cell: ({ createdAt }) => <Instant at={createdAt} /> },
        { name: "Why it ended", cell: ({ failure }) => failure?.code ?? "" },
      ]}
    />
  );
}

function msText(ms: number | undefined): string {
  return ms === undefined ? "–" : duration(ms);
}

function tookText({ createdAt, endedAt }: Recent["migrations"][number]): string {
  return endedAt === undefined ? "–" : duration(Date.parse(endedAt) - Date.parse(createdAt));
}
