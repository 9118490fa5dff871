import type { EvacuationId } from "../../core/id.ts";
import { addWake } from "../store/evacuation-wakes.ts";
import { raise } from "./raise-signal.ts";

/**
 * Something has changed that an evacuation may have waited for. Its workflow goes on at once if it
 * waits; otherwise it sees the change before it waits.
 */
export async function wakeEvacuation(
  evacuationId: EvacuationId,
  hosts: readonly string[],
): Promise<void> {
  const { token } = await addWake(evacuationId, hosts);
  if (token !== undefined) await raise({ do: "continue-evacuation", evacuationId });
}
