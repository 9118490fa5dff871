import type { EvacuationId, HostId } from "../../core/id.ts";
import type { TenantName } from "../../core/vm-rules.ts";
import { addWake, EVERYTHING, listListeners } from "../store/evacuation-wakes.ts";
import type { Listened } from "../store/keys.ts";

/** Lets a workflow that waits go on. agent-events does so itself; it may not invoke functions. */
type Proceed = (id: EvacuationId) => Promise<void>;

/**
 * Called when a host has changed: slots, memory or cordons; and when a tenant may have more. What waits
 * for a tenant may be on any host.
 */
export async function wakeListeners(
  { hosts, tenants }: { hosts: Iterable<HostId>; tenants: Iterable<TenantName> },
  proceed: Proceed,
): Promise<void> {
  for (const host of hosts) await wake({ host }, host, proceed);
  for (const tenant of tenants) await wake({ tenant }, EVERYTHING, proceed);
}

async function wake(of: Listened, changed: string, proceed: Proceed): Promise<void> {
  for (const id of await listListeners(of)) {
    const { token } = await addWake(id, [changed]);
    if (token !== undefined) await proceed(id);
  }
}
