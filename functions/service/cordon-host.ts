import {
  CORDONS_MAX,
  type HostCordon,
  withCordon,
  withoutCordon,
  withoutDrain,
} from "../../core/host/cordon.ts";
import type { HostId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { type Also, changeSettings, type SettingsChange } from "../store/host-settings.ts";
import type { StoredHost } from "../store/hosts.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { requireAllowed } from "./host-rules.ts";
import { byInvocation } from "./wake-by-invocation.ts";

/** Who cordons, and why. */
export type Cordoner = Pick<HostCordon, "owner" | "kind" | "message" | "drains">;

/**
 * Nothing is admitted to the host from now on; what is on its way there arrives. The same owner's
 * cordon is replaced, and keeps its age.
 *
 * @throws Problem host-not-found, host-changed, too-many-cordons, host-retired
 */
export async function cordonHost(id: HostId, by: Cordoner): Promise<StoredHost> {
  return change(id, (host) => {
    requireAllowed("cordon", host);
    const cordons = withCordon(host.cordons, { ...by, since: new Date().toISOString() });
    if (cordons !== undefined) return { cordons };
    const detail = `${id} has ${CORDONS_MAX} cordons already: end one of them first`;
    throw new Problem("too-many-cordons", detail);
  });
}

/**
 * Ends one owner's cordon, and nobody else's: the host takes guests again if it was the last one.
 *
 * @throws Problem host-not-found, host-changed
 */
export async function liftCordon(
  id: HostId,
  owner: Pick<HostCordon, "owner" | "kind">,
): Promise<StoredHost> {
  return change(id, ({ cordons }) => ({ cordons: withoutCordon(cordons, owner) }));
}

/**
 * An evacuation does not empty the host any more, and its cordon stays.
 *
 * @throws Problem host-not-found, host-changed
 */
export async function endDrain(
  id: HostId,
  owner: Pick<HostCordon, "owner" | "kind">,
): Promise<StoredHost> {
  return change(id, ({ cordons }) => ({ cordons: withoutDrain(cordons, owner) }));
}

/**
 * A person ends all cordons, whoever their owners are.
 *
 * @returns the host, and the cordons that it had
 *
 * @throws Problem host-not-found, host-changed, host-retired
 */
export async function uncordonHost(
  id: HostId,
): Promise<{ host: StoredHost; cleared: readonly HostCordon[] }> {
  let cleared: readonly HostCordon[] = [];
  const host = await change(id, (now) => {
    requireAllowed("uncordon", now);
    cleared = now.cordons;
    return { cordons: [] };
  });
  return { host, cleared };
}

/** Changes nothing where the cordons are the same; admits who waits where the host has become open. */
async function change(
  id: HostId,
  decide: (host: StoredHost) => { cordons: HostCordon[] },
): Promise<StoredHost> {
  let hadCordons = false;
  const host = await changeHost(id, (now) => {
    const { cordons } = decide(now);
    hadCordons = now.cordons.length > 0;
    return JSON.stringify(cordons) === JSON.stringify(now.cordons) ? undefined : { cordons };
  });
  // Who waits for it is admitted, or is told that it was closed.
  if (hadCordons !== host.cordons.length > 0)
    await admitWaiting({ hosts: [id], makesRoom: true }, byInvocation);
  return host;
}

/**
 * Changes a host by what it is now.
 *
 * @param only must hold in the same write, or `refuse` says why it does not
 *
 * @throws Problem host-not-found, host-changed, and what `decide` throws
 */
export async function changeHost(
  id: HostId,
  decide: (host: StoredHost) => SettingsChange | undefined,
  only?: Also & { readonly refuse: () => Promise<Problem> },
): Promise<StoredHost> {
  const changed = await changeSettings(id, decide, only);
  if (typeof changed === "object") return changed;
  if (changed === "refused" && only !== undefined) throw await only.refuse();
  if (changed === "missing") throw new Problem("host-not-found", `There is no host ${id}`);
  throw new Problem("host-changed", `Other requests are changing host ${id}: try again`);
}
