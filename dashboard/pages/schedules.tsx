import { duration } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Schedule } from "../api-types.ts";
import { nowMs } from "../clock.ts";
import { loadSchedules, type SchedulesView } from "../data/schedules.ts";
import { windowLine } from "../model/windows.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { Instant, Moment } from "../parts/instant.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";
import { ChartOrTable } from "../parts/switch-view.tsx";
import { usePoller } from "../parts/use-poller.ts";
import { WindowChart } from "../parts/window-chart.tsx";
import { LONG_REST_MS } from "../polling.ts";
import { hrefTo } from "../routes.ts";

/** When hosts are emptied by themselves, and what became of it. */
export function SchedulesPage() {
  const poller = usePoller(
    "schedules",
    () => loadSchedules(client()),
    () => false,
    LONG_REST_MS,
  );
  const view = poller?.value.value;
  return (
    <Page title="Schedules" name="Schedules">
      <ReadState error={poller?.error.value} isThere={view !== undefined} />
      {view !== undefined && <Shown view={view} />}
    </Page>
  );
}

function Shown({ view: { schedules, freezes } }: { view: SchedulesView }) {
  if (schedules.length === 0) {
    return (
      <p class="quiet">
        None yet. On a command line: <code>switchyard schedule create --help</code>.
      </p>
    );
  }
  const rows = schedules.toSorted((a, b) => nextMsOf(a) - nextMsOf(b));
  return (
    <>
      <Section title="Windows">
        <ChartOrTable
          name="windows"
          chart={<WindowChart line={windowLine(rows, nowMs.value)} />}
          table={() => <WindowTable rows={rows} />}
        />
      </Section>
      <Section title="All schedules">
        <ScheduleTable rows={rows} />
      </Section>
      <Section title="Windows that were opened">
        <RunTable rows={rows} />
      </Section>
      <Section title="Change freezes">
        <DataTable
          caption="Change freezes"
          rows={freezes}
          keyOf={({ id }) => id}
          empty="None: windows open as they are scheduled."
          columns={[
            { name: "From", cell: ({ from, zone }) => `${from.replace("T", " ")} ${zone}` },
            { name: "Until", cell: ({ until, zone }) => `${until.replace("T", " ")} ${zone}` },
            { name: "By", cell: ({ owner }) => owner },
            { name: "Why", cell: ({ message }) => message, isWide: true },
          ]}
        />
      </Section>
    </>
  );
}

/** Those without a further window come last. */
function nextMsOf({ current, next: [next] }: Schedule): number {
  const first = current ?? next;
  return first === undefined ? Number.MAX_VALUE : Date.parse(first.startsAt);
}

function WindowTable({ rows }: { rows: readonly Schedule[] }) {
  const windows = rows.flatMap(({ name, current, next }) =>
    [...(current === undefined ? [] : [current]), ...next].map((one) => ({ name, ...one })),
  );
  return (
    <DataTable
      caption="Windows"
      rows={windows}
      keyOf={({ key }) => key}
      empty="No window is to come."
      columns={[
        { name: "Schedule", cell: ({ name }) => name },
        { name: "Starts", cell: ({ startsAt }) => <Moment at={startsAt} /> },
        { name: "Ends", cell: ({ endsAt }) => <Moment at={endsAt} /> },
        { name: "Open for", cell: ({ open, endsAt }) => openText(open, endsAt), isFigure: true },
      ]}
    />
  );
}

type Open = Schedule["next"][number]["open"];

function openText(open: Open, endsAt: string): string {
  const ms = open.reduce((sum, { from, until = endsAt }) => sum + lengthOf(from, until), 0);
  return ms === 0 ? "nothing: a change freeze holds it" : duration(ms);
}

function lengthOf(from: string, until: string): number {
  return Date.parse(until) - Date.parse(from);
}

function ScheduleTable({ rows }: { rows: readonly Schedule[] }) {
  return (
    <DataTable
      caption="Schedules"
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        { name: "Name", cell: ({ name }) => name },
        { name: "State", cell: (one) => <Badge state={stateOf(one)} /> },
        { name: "Starts", cell: ({ starts }) => startsText(starts) },
        { name: "Length", cell: ({ durationMs }) => duration(durationMs), isFigure: true },
        { name: "Next", cell: ({ next: [next] }) => next && <Moment at={next.startsAt} /> },
        { name: "Empties", cell: ({ hosts }) => hostsText(hosts) },
        { name: "Missed", cell: missedText, isFigure: true },
        { name: "By", cell: ({ by }) => by },
      ]}
    />
  );
}

function stateOf({ paused, current, next }: Schedule): string {
  if (paused !== undefined) return "paused";
  if (current !== undefined) return "open";
  return next.length === 0 ? "over" : "active";
}

function startsText(starts: Schedule["starts"]): string {
  const when = "cron" in starts ? starts.cron : starts.at.replace("T", " ");
  return `${when} ${starts.zone}`;
}

function hostsText({ ids, labels = {}, needs = [] }: Schedule["hosts"]): string {
  const parts = [
    ids === undefined ? undefined : ids.join(", "),
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
    needs.length === 0
      ? undefined
      : `that need it (${needs.length} ${needs.length === 1 ? "condition" : "conditions"})`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? "all hosts" : parts.join(", ");
}

function missedText({ missed }: Schedule): string | undefined {
  if (missed === undefined) return undefined;
  return `${missed.isAtLeast ? "at least " : ""}${missed.count}`;
}

function RunTable({ rows }: { rows: readonly Schedule[] }) {
  const runs = rows
    .flatMap(({ name, id, runs = [] }) => runs.map((run) => ({ name, id, ...run })))
    .toSorted((a, b) => b.startsAt.localeCompare(a.startsAt));
  return (
    <DataTable
      caption="Windows that were opened"
      rows={runs}
      keyOf={({ id, startsAt }) => `${id} ${startsAt}`}
      empty="None yet."
      columns={[
        { name: "Schedule", cell: ({ name }) => name },
        { name: "Began", cell: ({ startsAt }) => <Instant at={startsAt} /> },
        { name: "Outcome", cell: ({ outcome }) => <Badge state={outcome} /> },
        {
          name: "Evacuation",
          cell: ({ evacuation }) =>
            evacuation && <a href={hrefTo("evacuations", evacuation)}>show it</a>,
        },
        { name: "Why", cell: ({ reason }) => reason, isWide: true },
      ]}
    />
  );
}
