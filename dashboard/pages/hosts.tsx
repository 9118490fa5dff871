import { fleetError, fleetView } from "../fleet.ts";
import { HeatMap } from "../parts/heat-map.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";

export function HostsPage() {
  const view = fleetView.value;
  return (
    <Page title="Hosts" name="Hosts">
      <ReadState error={fleetError.value} isThere={view !== undefined} />
      {view !== undefined && (
        <Section title={`${view.fleet.hosts.length} hosts`}>
          <HeatMap fleet={view.fleet} />
        </Section>
      )}
    </Page>
  );
}
