import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { bytes, duration } from "../../core/format.ts";
import { client } from "../api.ts";
import { type Evacuation, planOf } from "../api-types.ts";
import { nowMs } from "../clock.ts";
import { type EvacuationView, isEvacuationBusy, loadEvacuation } from "../data/evacuation.ts";
import { hostsText } from "../model/attention.ts";
import { ganttOf } from "../model/gantt.ts";
import { Badge } from "../parts/badge.tsx";
import { EvacuationControls } from "../parts/evacuation-controls.tsx";
import { endsText, ProgressBar } from "../parts/evacuation-table.tsx";
import { GanttChart } from "../parts/gantt.tsx";
import { GanttTable } from "../parts/gantt-table.tsx";
import { Icon } from "../parts/icon.tsx";
import { Moment } from "../parts/instant.tsx";
import { Facts, Page, ReadState, Section } from "../parts/page.tsx";
import { PlanVersions } from "../parts/plan-versions.tsx";
import { RemainingVms } from "../parts/remaining-vms.tsx";
import { ChartOrTable } from "../parts/switch-view.tsx";
import { usePoller } from "../parts/use-poller.ts";

export function EvacuationPage({ id }: { id: string }) {
  const poller = usePoller<EvacuationView>(
    id,
    (before) => loadEvacuation(client(), id, before),
    isEvacuationBusy,
  );
  const view = poller?.value.value;
  const name = view === undefined ? id : hostsText(view.evacuation);
  return (
    <Page
      kind="Evacuation"
      title={view === undefined ? id : `Empties ${name}`}
      name={`Evacuation of ${name}`}
      aside={view && <Badge state={view.evacuation.status} />}
    >
      <ReadState error={poller?.error.value} isThere={view !== undefined} />
      {view !== undefined && <Content view={view} refresh={() => poller?.refresh()} />}
    </Page>
  );
}

type Shown = { view: EvacuationView; refresh: () => Promise<void> | undefined };

function Content({ view, refresh }: Shown) {
  const { evacuation, moves, plans } = view;
  const version = plans.get(evacuation.approvedVersion ?? evacuation.version);
  const plan = version && planOf(version);
  const gantt = ganttOf(evacuation, moves, plan, nowMs.value);
  return (
    <>
      <Pauses evacuation={evacuation} />
      <div class="columns">
        <Section title="End">
          <End evacuation={evacuation} />
        </Section>
        <Section title="Controls">
          <EvacuationControls evacuation={evacuation} refresh={refresh} />
        </Section>
      </div>
      <Section title="Plan and actual">
        {gantt.rows.length === 0 ? (
          <p class="quiet">No VM is on these hosts.</p>
        ) : (
          <ChartOrTable
            name="the moves"
            chart={<GanttChart gantt={gantt} />}
            table={() => <GanttTable gantt={gantt} evacuation={evacuation} refresh={refresh} />}
          />
        )}
      </Section>
      <RemainingVms evacuation={evacuation} moves={moves} plan={plan} refresh={refresh} />
      <PlanVersions evacuation={evacuation} plans={plans} />
    </>
  );
}

function Pauses({ evacuation: { pauses, unknownVms } }: { evacuation: Evacuation }) {
  return (
    <>
      {pauses.map(({ reason, author, message, since, endsWith }) => (
        <div key={`${reason} ${author}`} class="message message-warn">
          <Icon name="pause" />
          <p>
            Paused by {author} ({reason}
            {message === undefined ? "" : `: “${message}”`}) since <Moment at={since} />: {endsWith}
            .
          </p>
        </div>
      ))}
      {unknownVms.length > 0 && (
        <div class="message message-bad" role="alert">
          <Icon name="bang" />
          <p>Nobody knows where {unknownVms.join(", ")} runs: a person must look.</p>
        </div>
      )}
    </>
  );
}

/** When it ends, with the band, and how that compares with the bound. */
function End({ evacuation }: { evacuation: Evacuation }) {
  const { eta, status, hosts, approveUntil, plannedBy, approvals, endedBy, limits } = evacuation;
  const { ratio, lowerBoundMs } = eta;
  const bound = duration(lowerBoundMs);
  return (
    <>
      <p class="figure-line">
        <strong>{endsText(evacuation)}</strong> <ProgressBar evacuation={evacuation} />
      </p>
      <Facts
        facts={[
          [
            "Planned",
            `${duration(eta.plannedMs)} (${duration(eta.lowMs)} to ${duration(eta.highMs)})`,
          ],
          [
            "Lower bound",
            ratio === undefined ? bound : `${bound}; took ${ratio.toFixed(2)} × that`,
          ],
          ["Planned by", plannedBy],
          [
            "Approved by",
            approvals.map(({ by, version }) => `${by} (version ${version})`).join(", "),
          ],
          ["Approve until", status === "planned" ? <Moment at={approveUntil} /> : undefined],
          [
            "Hosts",
            hosts.map(({ host, state, left }) => `${host} ${state}, ${left} left`).join("; "),
          ],
          ["Limits", limitsText(limits)],
          [
            "Ended by",
            endedBy && isFinalEvacuation(status)
              ? `${endedBy.action} of ${endedBy.author}`
              : undefined,
          ],
        ]}
      />
    </>
  );
}

function limitsText({
  movesAtOnce,
  errorBudget,
  maxBandwidthBytesPerSecond: rate,
}: Evacuation["limits"]) {
  const parts = [
    movesAtOnce === undefined ? undefined : `${movesAtOnce} moves at once`,
    errorBudget === undefined ? undefined : `pauses after ${errorBudget} failures`,
    rate === undefined || rate === 0 ? undefined : `${bytes(rate)}/s each`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}
