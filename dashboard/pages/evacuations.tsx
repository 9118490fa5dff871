import { fleetError, fleetView } from "../fleet.ts";
import { EvacuationTable } from "../parts/evacuation-table.tsx";
import { Page, ReadState, Section } from "../parts/page.tsx";

export function EvacuationsPage() {
  const view = fleetView.value;
  return (
    <Page title="Evacuations" name="Evacuations">
      <ReadState error={fleetError.value} isThere={view !== undefined} />
      {view !== undefined && (
        <Section title="The newest">
          <EvacuationTable
            rows={view.evacuations}
            empty="None yet. A host's page shows what can move, and plans one."
          />
        </Section>
      )}
    </Page>
  );
}
