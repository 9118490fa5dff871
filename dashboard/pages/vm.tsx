import { bytes, duration, rate } from "../../core/format.ts";
import { client } from "../api.ts";
import type { Vm } from "../api-types.ts";
import { isVmBusy, loadVm, type VmView } from "../data/vm.ts";
import { Badge } from "../parts/badge.tsx";
import { DowntimeHistory } from "../parts/downtime-history.tsx";
import { Icon } from "../parts/icon.tsx";
import { Instant } from "../parts/instant.tsx";
import { HostLink, MigrationLink } from "../parts/links.tsx";
import { Facts, Page, ReadState, Section } from "../parts/page.tsx";
import { PlacementView } from "../parts/placement-view.tsx";
import { usePoller } from "../parts/use-poller.ts";
import { VmControls } from "../parts/vm-controls.tsx";
import { LONG_REST_MS } from "../polling.ts";
import { MigrationTable } from "./migrations.tsx";

export function VmPage({ id }: { id: string }) {
  const poller = usePoller<VmView>(
    id,
    (before) => loadVm(client(), id, before),
    isVmBusy,
    LONG_REST_MS,
  );
  const view = poller?.value.value;
  return (
    <Page kind="VM" title={id} name={id} aside={view && <Badge state={view.vm.state} of="vm" />}>
      <ReadState error={poller?.error.value} isThere={view !== undefined} />
      {view !== undefined && (
        <>
          <Unknown vm={view.vm} />
          <div class="columns">
            <Section title="VM">
              <VmFacts vm={view.vm} />
            </Section>
            <Section title="Controls">
              <VmControls view={view} refresh={() => poller?.refresh()} />
            </Section>
          </div>
          <Section title="Where it could go">
            <PlacementView view={view} />
          </Section>
          <Section title="Downtime of its moves">
            <DowntimeHistory history={view.history} />
          </Section>
          <Section title="Moves, newest first">
            <MigrationTable rows={view.history} empty="It has never moved." />
          </Section>
        </>
      )}
    </Page>
  );
}

function Unknown({ vm: { id, state, detail } }: { vm: Vm }) {
  if (state !== "unknown") return null;
  return (
    <div class="message message-bad" role="alert">
      <Icon name="bang" />
      <p>
        Nobody knows where {id} runs{detail === undefined ? "" : `: ${detail}`}. It is locked, and
        nothing is touched. Look at its hosts; then reconcile it.
      </p>
    </div>
  );
}

function VmFacts({ vm }: { vm: Vm }) {
  const { definition, host, runState, stateSince, lockedBy, learned, detail, epoch } = vm;
  return (
    <Facts
      facts={[
        ["Host", <HostLink key="host" id={host} />],
        ["Since", stateSince === undefined ? undefined : <Instant at={stateSince} />],
        ["Run state", runState],
        ["Memory", bytes(definition.memoryBytes)],
        ["Machine", definition.machine],
        ["Held by", lockedBy && <MigrationLink id={lockedBy} />],
        ["Detail", detail],
        ["Epoch", epoch],
        [
          "Dirties",
          learned?.dirtyBytesPerSecond === undefined
            ? undefined
            : rate(learned.dirtyBytesPerSecond),
        ],
        [
          "Working set",
          learned?.workingSetBytes === undefined ? undefined : bytes(learned.workingSetBytes),
        ],
        ["Load time", learned?.loadMs === undefined ? undefined : duration(learned.loadMs)],
      ]}
    />
  );
}
