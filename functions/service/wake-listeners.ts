import type { EvacuationId, HostId } from "../../core/id.ts";
import { addWake, listListeners } from "../store/evacuation-wakes.ts";

/** Lets a workflow that waits go on. agent-events does so itself; it may not invoke functions. */
type Proceed = (id: EvacuationId) => Promise<void>;

/** Called when a host has changed: slots, memory or cordons. */
export async function wakeListeners(hosts: readonly HostId[], proceed: Proceed): Promise<void> {
  for (const host of new Set(hosts)) {
    for (const id of await listListeners(host)) {
      const { token } = await addWake(id, [host]);
      if (token !== undefined) await proceed(id);
    }
  }
}
