import { duration } from "../../core/format.ts";
import { planDifferences } from "../../core/plan/plan-diff.ts";
import { type Evacuation, type PlanVersion, planOf } from "../api-types.ts";
import { DataTable } from "./data-table.tsx";
import { Instant } from "./instant.tsx";
import { VmLink } from "./links.tsx";
import { Section } from "./page.tsx";

type Props = { evacuation: Evacuation; plans: ReadonlyMap<number, PlanVersion> };

/** The versions of the plan, and in what the newest differs from the one before it. */
export function PlanVersions({ evacuation, plans }: Props) {
  const { version, approvedVersion, consentedVersion } = evacuation;
  const newest = plans.get(version);
  if (newest === undefined) return null;
  const before = plans.get(version - 1);
  const rows = [...plans].map(([number, plan]) => ({ number, plan })).toReversed();
  const plan = planOf(newest);
  return (
    <Section title={`Plan, version ${version}`}>
      <DataTable
        caption="Versions of the plan"
        rows={rows.toSorted((a, b) => b.number - a.number)}
        keyOf={({ number }) => String(number)}
        columns={[
          { name: "Version", cell: ({ number }) => number, isFigure: true },
          { name: "Made because", cell: ({ plan: one }) => one.reason },
          { name: "When", cell: ({ plan: one }) => <Instant at={one.at} /> },
          { name: "Moves", cell: ({ plan: one }) => one.outline.moves, isFigure: true },
          { name: "Stay", cell: ({ plan: one }) => one.outline.unplaced, isFigure: true },
          {
            name: "Ends after",
            cell: ({ plan: one }) => duration(one.outline.endMs),
            isFigure: true,
          },
          { name: "To", cell: ({ plan: one }) => one.outline.targets.join(", ") },
          {
            name: "Consent",
            cell: ({ number }) =>
              [
                number === consentedVersion ? "approved by persons" : "",
                number === approvedVersion ? "carried out" : "",
              ]
                .filter((part) => part !== "")
                .join(", "),
          },
        ]}
      />
      {before !== undefined && <Differences before={before} after={newest} version={version} />}
      <Notes
        title="Bottleneck"
        texts={plan.bottleneck === undefined ? [] : [plan.bottleneck.text]}
      />
      <Notes title="Would be faster" texts={plan.faster.map(({ change }) => change)} />
      <Notes title="Warnings" texts={plan.warnings} />
      <Notes title="Assumed" texts={plan.assumptions} />
    </Section>
  );
}

type Pair = { before: PlanVersion; after: PlanVersion; version: number };

function Differences({ before, after, version }: Pair) {
  return (
    <>
      <h3>
        Version {version - 1} to {version}
      </h3>
      <DataTable
        caption={`Differences of version ${version} from the one before it`}
        rows={planDifferences(planOf(before), planOf(after))}
        keyOf={({ vm }) => vm}
        empty="Every VM has the same target."
        columns={[
          { name: "VM", cell: ({ vm }) => <VmLink id={vm} /> },
          {
            name: "Before",
            cell: ({ before: host, kind }) => (kind === "new" ? "not in it" : (host ?? "stays")),
          },
          {
            name: "After",
            cell: ({ after: host, kind }) => (kind === "gone" ? "not in it" : (host ?? "stays")),
          },
        ]}
      />
    </>
  );
}

function Notes({ title, texts }: { title: string; texts: readonly string[] }) {
  if (texts.length === 0) return null;
  return (
    <details>
      <summary>
        {title} ({texts.length})
      </summary>
      <ul>
        {texts.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </details>
  );
}
