import type { VmView } from "../data/vm.ts";
import { HostLink } from "./links.tsx";
import { Reasons } from "./reasons.tsx";

/** Where the VM could go now, host by host, and why not. */
export function PlacementView({ view: { placement, noPlacement } }: { view: VmView }) {
  if (placement === undefined) return <p>{noPlacement}</p>;
  const { fitting, blockers, reasons, cures } = placement;
  return (
    <>
      <p>
        {fitting.length === 0 ? "No host would take it." : "Would take it: "}
        {fitting.map((host, place) => (
          <span key={host}>
            {place > 0 && ", "}
            <HostLink id={host} />
          </span>
        ))}
      </p>
      <Reasons blockers={blockers} reasons={reasons} cures={cures} />
    </>
  );
}
