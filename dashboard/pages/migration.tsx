import { bytes, rate } from "../../core/format.ts";
import { remainingBytes } from "../../core/migration/estimate.ts";
import { client } from "../api.ts";
import type { Migration } from "../api-types.ts";
import { isMigrationBusy, loadMigration, type MigrationView } from "../data/migration.ts";
import { courseOf } from "../model/course.ts";
import { Badge } from "../parts/badge.tsx";
import { CourseChart } from "../parts/course-chart.tsx";
import { DowntimeBar } from "../parts/downtime-bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { Moment } from "../parts/instant.tsx";
import { HostLink, MigrationLink, Route, VmLink } from "../parts/links.tsx";
import { MigrationControls } from "../parts/migration-controls.tsx";
import { MigrationReasons } from "../parts/migration-reasons.tsx";
import { endText, phaseText } from "../parts/moves-table.tsx";
import { Facts, Page, ReadState, Section } from "../parts/page.tsx";
import { PhaseLine } from "../parts/phase-line.tsx";
import { usePoller } from "../parts/use-poller.ts";

export function MigrationPage({ id }: { id: string }) {
  const poller = usePoller<MigrationView>(
    id,
    (before) => loadMigration(client(), id, before),
    isMigrationBusy,
  );
  const view = poller?.value.value;
  const migration = view?.migration;
  return (
    <Page
      kind="Migration"
      name={migration === undefined ? id : `${migration.vm} → ${migration.target}`}
      title={migration === undefined ? id : <Title migration={migration} />}
      aside={migration && <Badge state={phaseBadge(migration)} />}
    >
      <ReadState error={poller?.error.value} isThere={view !== undefined} />
      {view !== undefined && <Content view={view} refresh={() => poller?.refresh()} />}
    </Page>
  );
}

function phaseBadge(migration: Migration): string {
  const text = phaseText(migration);
  return text === "held" || migration.status !== "running" ? text : "running";
}

function Title({ migration: { vm, source, target } }: { migration: Migration }) {
  return (
    <>
      <VmLink id={vm} /> <Route source={source} target={target} />
    </>
  );
}

type Shown = { view: MigrationView; refresh: () => Promise<void> | undefined };

function Content({ view, refresh }: Shown) {
  const { migration, samples, timeline } = view;
  return (
    <>
      <End migration={migration} />
      <Section title="Phases">
        <PhaseLine migration={migration} />
      </Section>
      <div class="columns columns-first">
        <Section title="Course">
          <CourseChart
            course={courseOf(migration, samples, timeline)}
            head={<Now migration={migration} />}
            isOver={migration.status !== "running"}
          />
        </Section>
        <div class="stack">
          <Section title="Downtime">
            <DowntimeBar migration={migration} />
          </Section>
          <Section title="Controls">
            <MigrationControls migration={migration} refresh={refresh} />
          </Section>
          <Section title="Record">
            <RecordFacts migration={migration} />
          </Section>
        </div>
      </div>
      <MigrationReasons migration={migration} timeline={timeline} />
    </>
  );
}

/** How it ended, and what to do about it. */
function End({ migration }: { migration: Migration }) {
  const { status, failure, runningOn, endState, vm, successor } = migration;
  if (status === "running" && failure === undefined) return null;
  if (status === "completed") {
    const where = runningOn ?? endState?.host;
    return (
      <div class="message message-ok">
        <Icon name="check" />
        <p>
          {vm} {runningOn === undefined ? `is ${endState?.state ?? "there"} on` : "runs on"}{" "}
          {where === undefined ? "its target" : <HostLink id={where} />}.
        </p>
      </div>
    );
  }
  if (failure === undefined) return null;
  return (
    <div class={`message ${status === "cancelled" ? "message-warn" : "message-bad"}`}>
      <Icon name={status === "unknown" ? "bang" : "cross"} />
      <div>
        <p>
          <strong>{failure.code}</strong> in {failure.phase}: {failure.message}
        </p>
        <p>Now: {failure.state}</p>
        <p>What to do: {failure.cure}</p>
        {successor !== undefined && (
          <p>
            It goes on as <MigrationLink id={successor} />.
          </p>
        )}
      </div>
    </div>
  );
}

/** The newest figures, and what they come to. */
function Now({ migration }: { migration: Migration }) {
  const { progress, status, figures } = migration;
  const left = remainingBytes(migration);
  const newest = figures?.progress ?? progress;
  const sent = newest?.ramTransferredBytes;
  const bandwidth = progress?.bandwidthBytesPerSecond;
  const dirty = progress?.dirtyBytesPerSecond ?? 0;
  const isRunning = status === "running";
  const verdict = bandwidth === undefined || bandwidth > dirty ? "" : " (does not converge)";
  return (
    <Facts
      facts={[
        ["Left", isRunning && left !== undefined ? bytes(left) : undefined],
        ["Sent", sent === undefined ? undefined : bytes(sent)],
        ["Pass", newest?.dirtySyncCount],
        [
          "Rates",
          isRunning && bandwidth !== undefined
            ? `${rate(bandwidth)} sent, ${rate(dirty)} dirtied${verdict}`
            : undefined,
        ],
        ["Ends", isRunning ? endText(migration) : undefined],
      ]}
    />
  );
}

function RecordFacts({ migration }: { migration: Migration }) {
  const { id, createdAt, endedAt, queue, evacuation, predecessor, ack, gate, rungs } = migration;
  return (
    <Facts
      facts={[
        ["Id", <code key="id">{id}</code>],
        ["Requested", <Moment key="at" at={createdAt} />],
        ["Ended", endedAt === undefined ? undefined : <Moment at={endedAt} />],
        ["Waits for", queue?.waitsFor.join(", ")],
        ["Part of", evacuation && <a href={`#/evacuations/${evacuation}`}>{evacuation}</a>],
        ["Follows", predecessor && <MigrationLink id={predecessor} />],
        [
          "ACK",
          ack === undefined
            ? undefined
            : `${ack.mode}${ack.evidence ? `, seen by ${ack.evidence}` : ""}`,
        ],
        [
          "Gate",
          gate === undefined
            ? undefined
            : gate.permittedBy
              ? `permitted by ${gate.permittedBy}`
              : `holds (${gate.reason})`,
        ],
        ["Rungs", rungs?.map(({ rung, action }) => `${rung}: ${action}`).join(", ")],
      ]}
    />
  );
}
