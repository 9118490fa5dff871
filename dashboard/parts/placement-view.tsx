import type { VmView } from "../data/vm.ts";
import { HostLink } from "./links.tsx";
import { hostsText, Reason } from "./unplaced-reasons.tsx";

/** Where the VM could go now, host by host, and why not. */
export function PlacementView({ view: { placement, noPlacement } }: { view: VmView }) {
  if (placement === undefined) return <p>{noPlacement}</p>;
  const { blockers, fitting, reasons, cures } = placement;
  return (
    <>
      {blockers.length > 0 && (
        <dl class="reasons">
          {blockers.map((one) => (
            <Reason key={one.code} where="the VM itself" {...one} />
          ))}
        </dl>
      )}
      <p>
        {fitting.length === 0 ? "No host would take it." : "Would take it: "}
        {fitting.map((host, place) => (
          <span key={host}>
            {place > 0 && ", "}
            <HostLink id={host} />
          </span>
        ))}
      </p>
      {reasons.length > 0 && (
        <dl class="reasons">
          {reasons.flatMap(({ hosts, blockers: found }) =>
            found.map((one) => (
              <Reason key={`${one.code} ${hosts[0]}`} where={hostsText(hosts)} {...one} />
            )),
          )}
        </dl>
      )}
      {cures.map((cure) => (
        <p key={cure}>Would help: {cure}</p>
      ))}
    </>
  );
}
