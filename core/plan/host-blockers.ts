import type { Blocker } from "../negotiate/agreement.ts";
import type { PlanHost } from "./snapshot.ts";

const stateCures: Readonly<Record<string, string>> = {
  joining: "Start its agent, or choose another host",
  draining: "Cancel its evacuation, or choose another host",
  maintenance: "Return the host, or choose another one",
  retiring: "Choose another host: this one does not come back",
  retired: "Choose another host: this one does not come back",
  silent: "See whether the host and its agent run, or choose another host",
};

/** What decides whether a host takes guests at all. */
export type ClosedBy = Pick<PlanHost, "id" | "cordons"> & {
  readonly state: PlanHost["state"] | "retired";
  readonly stateSince?: string | undefined;
};

/**
 * Why no guest may come to a host, whoever the guest is. A host that is emptied by the plan that asks
 * is no target because of that, not because it is draining.
 */
export function hostBlockers(host: ClosedBy, isEmptied = false): Blocker[] {
  const cordons = host.cordons.map(({ owner, message, since }) => ({
    code: "cordoned",
    message:
      `${host.id} is cordoned by ${owner}${since === undefined ? "" : ` since ${since}`}` +
      `${message === undefined ? "" : `: ${message}`}`,
    cure: `Uncordon ${host.id}, after asking ${owner}`,
  }));
  if (host.state === "active" || (isEmptied && host.state === "draining")) return cordons;
  const since = host.stateSince === undefined ? "" : ` since ${host.stateSince}`;
  const state = {
    code: `host-${host.state}`,
    message: `${host.id} is ${host.state}${since}`,
    cure: stateCures[host.state] ?? "Choose another host",
  };
  return [state, ...cordons];
}
