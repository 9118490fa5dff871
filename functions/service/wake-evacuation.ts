import type { EvacuationId, HostId } from "../../core/id.ts";
import { addWake, listListeners } from "../store/evacuation-wakes.ts";
import { raise } from "./raise-signal.ts";

/**
 * Something has changed that an evacuation may have waited for. Its workflow goes on at once if it
 * waits; otherwise it sees the change before it waits.
 */
export async function wakeEvacuation(
  evacuationId: EvacuationId,
  hosts: readonly string[],
  proceed: Proceed = byInvocation,
): Promise<void> {
  const { token } = await addWake(evacuationId, hosts);
  if (token !== undefined) await proceed(evacuationId);
}

/** Lets a workflow that waits go on; agent-events has its own way. */
type Proceed = (id: EvacuationId) => Promise<void>;

const byInvocation: Proceed = (evacuationId) => raise({ do: "continue-evacuation", evacuationId });

/** Called when a host has changed: slots, memory or cordons. */
export async function wakeListeners(hosts: readonly HostId[], proceed: Proceed): Promise<void> {
  for (const host of new Set(hosts)) {
    for (const id of await listListeners(host)) await wakeEvacuation(id, [host], proceed);
  }
}
