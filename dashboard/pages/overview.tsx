import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { duration } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Evacuation, Fleet } from "../api-types.ts";
import { nowMs } from "../clock.ts";
import { loadRecent } from "../data/recent.ts";
import { attention, fleetError, fleetView } from "../fleet.ts";
import { summarizeRecent } from "../model/recent-summary.ts";
import { EvacuationTable } from "../parts/evacuation-table.tsx";
import { HeatMap } from "../parts/heat-map.tsx";
import { Icon } from "../parts/icon.tsx";
import { MovesTable } from "../parts/moves-table.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";
import { usePoller } from "../parts/use-poller.ts";
import { LONG_REST_MS } from "../polling.ts";

const DAY_MS = 86_400_000;

/** Is anything wrong, and what moves? */
export function OverviewPage() {
  const view = fleetView.value;
  return (
    <Page title="Overview" name="Overview">
      <ReadState error={fleetError.value} isThere={view !== undefined} />
      {view !== undefined && (
        <>
          <AttentionList />
          <Tiles fleet={view.fleet} evacuations={view.evacuations} />
          <div class="columns columns-wide">
            <Section title="Moves in flight">
              <MovesTable moves={runningOf(view.fleet)} empty="Nothing moves." />
            </Section>
            <Section title="Evacuations" aside={<a href="#/evacuations">All</a>}>
              <EvacuationTable
                rows={view.evacuations.filter(({ status }) => !isFinalEvacuation(status))}
                empty="No evacuation is planned or goes on. A host's page plans one."
              />
            </Section>
          </div>
          <Section title="Hosts" aside={view.fleet.truncated ? <Truncated /> : undefined}>
            <HeatMap fleet={view.fleet} />
          </Section>
        </>
      )}
    </Page>
  );
}

function runningOf({ migrations }: Fleet) {
  return migrations.filter(({ status }) => status === "running");
}

function Truncated() {
  return <span class="quiet">There are more than the first 1,000.</span>;
}

function AttentionList() {
  const found = attention.value;
  if (found.length === 0) {
    return (
      <div class="message message-ok">
        <Icon name="check" />
        <p>Nothing needs a person.</p>
      </div>
    );
  }
  return (
    <Section title="Needs a person" class="attention">
      <ul>
        {found.map(({ key, level, title, what, href }) => (
          <li key={key} class={`attention-${level}`}>
            <Icon name={level === "person" ? "bang" : "clock"} />
            <span>
              <a href={href}>{title}</a>
              <span class="quiet">{what}</span>
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Tiles({ fleet, evacuations }: { fleet: Fleet; evacuations: readonly Evacuation[] }) {
  const running = runningOf(fleet);
  const waiting = running.filter(({ phase }) => phase === "admit").length;
  const vms = fleet.hosts.reduce((sum, host) => sum + host.vms, 0);
  const silent = fleet.hosts.filter(({ state }) => state === "silent").length;
  const open = evacuations.filter(({ status }) => !isFinalEvacuation(status)).length;
  return (
    <ul class="tiles">
      <Tile
        name="Hosts"
        value={fleet.hosts.length}
        more={silent > 0 ? `${silent} silent` : "all heard"}
      />
      <Tile name="VMs" value={vms} />
      <Tile name="Moving" value={running.length - waiting} more={`${waiting} waiting`} />
      <Tile name="Evacuations" value={open} more="planned or going on" />
      <LastDay />
    </ul>
  );
}

function Tile({ name, value, more }: { name: string; value: number | string; more?: string }) {
  return (
    <li class="tile">
      <span class="tile-name">{name}</span>
      <span class="tile-value">{value}</span>
      <span class="tile-more">{more ?? "\u00a0"}</span>
    </li>
  );
}

function LastDay() {
  const poller = usePoller(
    "day",
    () => loadRecent(client(), DAY_MS, nowMs.peek()),
    () => false,
    LONG_REST_MS,
  );
  const recent = poller?.value.value;
  if (recent === undefined) return <Tile name="Done in 24 h" value="–" />;
  const { done, failed, unknown, downtime } = summarizeRecent(recent.migrations);
  const more = recent.isTruncated ? " (the newest)" : "";
  const bad = unknown > 0 ? `${failed} failed, ${unknown} unknown` : `${failed} failed`;
  return (
    <>
      <Tile name={`Done in 24 h${more}`} value={done} more={bad} />
      <Tile
        name="Downtime p50"
        value={downtime === undefined ? "–" : duration(downtime.p50)}
        {...(downtime === undefined
          ? {}
          : { more: `p99 ${duration(downtime.p99)}, worst ${duration(downtime.worst)}` })}
      />
    </>
  );
}
