import { client } from "../api.ts";
import type { Evacuation, EvacuationMove } from "../api-types.ts";
import { acknowledgeReason, retryReason, skipReason } from "../model/controls.ts";
import { ActionButton } from "./action-button.tsx";
import { acting } from "./evacuation-controls.tsx";

type Props = {
  evacuation: Evacuation;
  move: EvacuationMove;
  refresh: () => Promise<void> | undefined;
};

/** Leaves one VM where it is, tries it again, or acknowledges its move; what does not fit its state is not there. */
export function MoveControls({ evacuation, move, refresh }: Props) {
  const { id } = evacuation;
  const { vm } = move;
  const skip = skipReason(evacuation, move);
  const retry = retryReason(evacuation, move);
  const skipIt = async () => {
    await client().skipEvacuationVm(id, vm, acting(""));
    await refresh();
    return `The evacuation goes on without ${vm}`;
  };
  const retryIt = async () => {
    await client().retryEvacuationVm(id, vm, acting(""));
    await refresh();
    return `A new version finds a place for ${vm}`;
  };
  const acknowledgeIt = async () => {
    await client().acknowledgeEvacuationVm(id, vm, acting(""));
    await refresh();
    return `${vm} waits for its owner no more`;
  };
  if (skip !== undefined && retry !== undefined) return null;
  return (
    <span class="row">
      {acknowledgeReason(evacuation, move) === undefined && (
        <ActionButton act={acknowledgeIt}>Acknowledge {vm}</ActionButton>
      )}
      {skip === undefined && <ActionButton act={skipIt}>Skip {vm}</ActionButton>}
      {retry === undefined && <ActionButton act={retryIt}>Retry {vm}</ActionButton>}
    </span>
  );
}
