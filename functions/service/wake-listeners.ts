import type { EvacuationId, HostId } from "../../core/id.ts";
import type { TenantName } from "../../core/vm-rules.ts";
import { addWake, EVERYTHING, listListeners, ROOM } from "../store/evacuation-wakes.ts";

/** Lets a workflow that waits go on. agent-events does so itself; it may not invoke functions. */
type Proceed = (id: EvacuationId) => Promise<void>;

type Changed = {
  readonly hosts: ReadonlySet<HostId>;
  readonly tenants: ReadonlySet<TenantName>;
  /** A VM that had no place may have one by it. */
  readonly makesRoom: boolean;
  /** Woken whether it listens or not. */
  readonly evacuation?: EvacuationId | undefined;
};

/**
 * Called when hosts have changed: slots, memory or cordons; and when a tenant may have more. What waits
 * for a tenant may be on any host. Each evacuation is woken once.
 */
export async function wakeListeners(changed: Changed, proceed: Proceed): Promise<void> {
  const wakes = new Map<EvacuationId, Set<string>>();
  const note = (id: EvacuationId, what: string) =>
    wakes.set(id, (wakes.get(id) ?? new Set()).add(what));
  for (const host of changed.hosts) {
    for (const id of await listListeners({ host })) note(id, host);
    if (changed.evacuation !== undefined) note(changed.evacuation, host);
  }
  for (const tenant of changed.tenants) {
    for (const id of await listListeners({ tenant })) note(id, EVERYTHING);
  }
  const waiting = changed.makesRoom ? await listListeners({ room: true }) : [];
  for (const id of waiting) note(id, ROOM);
  for (const [id, names] of wakes) {
    const { token } = await addWake(id, [...names]);
    if (token !== undefined) await proceed(id);
  }
}

/** Called when a rule or a fact has changed by which a VM that had no place may have one. */
export function wakeForRoom(proceed: Proceed): Promise<void> {
  return wakeListeners({ hosts: new Set(), tenants: new Set(), makesRoom: true }, proceed);
}
