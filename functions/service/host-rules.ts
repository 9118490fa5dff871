import { type HostAction, isAllowed } from "../../core/host/host-actions.ts";
import { hostStateOf, stateSinceOf } from "../../core/host/host-state.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import { hostBlockers } from "../../core/plan/host-blockers.ts";
import { Problem } from "../http/problem.ts";
import type { ProblemCode } from "../http/problem-codes.ts";
import type { StoredHost } from "../store/hosts.ts";

/** Why no guest may come to a host; the planner says the same. Empty: it takes guests. */
export function closedBy(host: StoredHost): Blocker[] {
  const shown = hostStateOf(host);
  const state = shown === "cordoned" ? "active" : shown;
  return hostBlockers({ ...host, state, stateSince: stateSinceOf(host) });
}

/**
 * The state of a host must allow what is asked for: core/host/host-state.ts has the table.
 *
 * @throws Problem host-not-active, cordoned, host-draining, host-maintenance, host-retiring,
 *   host-retired, host-silent
 */
export function requireAllowed(action: HostAction, host: StoredHost): void {
  const state = hostStateOf(host);
  if (isAllowed(action, state)) return;
  const blockers = closedBy(host);
  const code = codes[state] ?? "host-not-active";
  const detail = blockers.map(({ message }) => message).join("; ");
  const cure = blockers.map(({ cure }) => cure).join("; ");
  throw new Problem(code, `${detail}. ${cure}`, { blockers });
}

const codes: Readonly<Record<string, ProblemCode>> = {
  joining: "host-not-active",
  cordoned: "cordoned",
  draining: "host-draining",
  maintenance: "host-maintenance",
  retiring: "host-retiring",
  retired: "host-retired",
  silent: "host-silent",
};
