import type { Migration, TimelineEntry } from "../api-types.ts";
import { DataTable } from "./data-table.tsx";
import { Section } from "./page.tsx";

type Props = { migration: Migration; timeline: readonly TimelineEntry[] };

/** What stands behind a migration: settings and why, the twin check, the timeline of both hosts. */
export function MigrationReasons({ migration, timeline }: Props) {
  const { agreement, twinCheck } = migration;
  return (
    <Section title="Behind it">
      {agreement !== undefined && (
        <details>
          <summary>Settings, and why ({agreement.choices.length})</summary>
          <DataTable
            caption="Settings"
            rows={agreement.choices}
            keyOf={({ subject }) => subject}
            columns={[
              { name: "Setting", cell: ({ subject }) => <code>{subject}</code> },
              { name: "Value", cell: ({ value }) => <code>{String(value)}</code> },
              { name: "Why", cell: ({ reason }) => reason, isWide: true },
            ]}
          />
        </details>
      )}
      {twinCheck !== undefined && <TwinCheck twinCheck={twinCheck} />}
      <details>
        <summary>Timeline ({timeline.length})</summary>
        <DataTable
          caption="Timeline"
          rows={timeline.map((entry, place) => ({ ...entry, place }))}
          keyOf={({ place }) => String(place)}
          columns={[
            { name: "Time, by its clock", cell: ({ at }) => <code>{at.slice(11, 23)}</code> },
            { name: "Clock", cell: ({ origin }) => origin },
            { name: "What", cell: ({ type }) => type },
            { name: "Detail", cell: ({ detail }) => detailText(detail), isWide: true },
          ]}
        />
      </details>
    </Section>
  );
}

function TwinCheck({ twinCheck }: { twinCheck: NonNullable<Migration["twinCheck"]> }) {
  const { values, differences, differencesTotal, harmless, harmlessTotal } = twinCheck;
  const rows = [
    ...differences.map(({ cure, ...one }) => ({ ...one, what: `refuses it: ${cure}` })),
    ...harmless.map(({ reason, ...one }) => ({ ...one, what: `harmless: ${reason}` })),
  ];
  return (
    <details>
      <summary>
        Machines compared: {values} values, {differencesTotal} differences that refuse it,{" "}
        {harmlessTotal} harmless
      </summary>
      <DataTable
        caption="Differences of the two machines"
        rows={rows}
        keyOf={({ name }) => name}
        empty="The two machines are equal."
        columns={[
          { name: "What", cell: ({ name }) => name },
          { name: "Source", cell: ({ source }) => source ?? "–" },
          { name: "Target", cell: ({ target }) => target ?? "–" },
          { name: "Meaning", cell: ({ what }) => what, isWide: true },
        ]}
      />
    </details>
  );
}

function detailText(detail: TimelineEntry["detail"]): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}
