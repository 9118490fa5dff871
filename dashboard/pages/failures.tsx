import { useState } from "preact/hooks";
import { type FailureGroup, groupFailures } from "../../core/migration/failure-groups.ts";
import { client } from "../api.ts";
import { nowMs } from "../clock.ts";
import { loadRecent, type Recent } from "../data/recent.ts";
import { Badge } from "../parts/badge.tsx";
import { Instant } from "../parts/instant.tsx";
import { MigrationLink } from "../parts/links.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";
import { usePoller } from "../parts/use-poller.ts";
import { LONG_REST_MS } from "../polling.ts";

const HOUR_MS = 3_600_000;
const periods = [
  ["1 hour", HOUR_MS],
  ["24 hours", 24 * HOUR_MS],
  ["7 days", 168 * HOUR_MS],
] as const;
const MOVES_SHOWN_MAX = 10;

/** What failed, grouped by its code, with the cure. */
export function FailuresPage() {
  const [periodMs, setPeriod] = useState<number>(24 * HOUR_MS);
  const poller = usePoller(
    String(periodMs),
    () => loadRecent(client(), periodMs, nowMs.peek()),
    () => false,
    LONG_REST_MS,
  );
  const recent = poller?.value.value;
  return (
    <Page title="Failures" name="Failures">
      <fieldset class="segments">
        <legend class="hidden">Of the last</legend>
        {periods.map(([name, ms]) => (
          <button
            key={ms}
            type="button"
            aria-pressed={ms === periodMs}
            onClick={() => setPeriod(ms)}
          >
            {name}
          </button>
        ))}
      </fieldset>
      <ReadState error={poller?.error.value} isThere={recent !== undefined} />
      {recent !== undefined && <Groups recent={recent} />}
    </Page>
  );
}

function Groups({ recent: { migrations, isTruncated } }: { recent: Recent }) {
  const groups = groupFailures(migrations);
  const failed = groups.reduce((sum, { count }) => sum + count, 0);
  return (
    <>
      <p>
        {failed} of {isTruncated ? "the newest " : ""}
        {migrations.length} migrations did not complete as asked.
      </p>
      {groups.map((group) => (
        <Group key={group.code} group={group} migrations={migrations} />
      ))}
    </>
  );
}

function Group({ group, migrations }: { group: FailureGroup; migrations: Recent["migrations"] }) {
  const { code, count, lastAt, state, cure, needsPerson } = group;
  const members = migrations.filter(
    ({ status, failure }) =>
      (status === "failed" || status === "unknown") && (failure?.code ?? "unknown-state") === code,
  );
  const more = members.length - MOVES_SHOWN_MAX;
  return (
    <Section
      title={`${code}: ${count}`}
      aside={<Badge state={needsPerson ? "unknown" : "failed"} />}
      class="failure"
    >
      <p>
        <strong>What to do:</strong> {cure || "see the timeline"}
      </p>
      <p>
        <strong>The state of the newest:</strong> {state || "see the record"},{" "}
        <Instant at={lastAt} />
      </p>
      <p class="row">
        {members.slice(0, MOVES_SHOWN_MAX).map(({ id, vm, target }) => (
          <MigrationLink key={id} id={id}>{`${vm} → ${target}`}</MigrationLink>
        ))}
        {more > 0 && <span class="quiet">and {more} more</span>}
      </p>
    </Section>
  );
}
