import { type HostAction, isAllowed } from "../../core/host/host-actions.ts";
import { hostStateOf, stateSinceOf } from "../../core/host/host-state.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import { hostBlockers } from "../../core/plan/host-blockers.ts";
import { apartBlockers, labelBlockers, pinBlockers } from "../../core/plan/rule-blockers.ts";
import { Problem } from "../http/problem.ts";
import type { ProblemCode } from "../http/problem-codes.ts";
import { apartGroups } from "../store/apart-groups.ts";
import type { StoredHost } from "../store/hosts.ts";
import type { StoredVm } from "../store/vms.ts";

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

/** Why a VM comes to a host: its guest is started there, or moved, or its own host is emptied. */
type Coming = "started" | "moved" | "evacuated";

/**
 * Why a VM may not come to a host by what people say of the VM: it is pinned, it needs labels, or it
 * stands apart from others. The planner says the same.
 */
export function ruleBlockers(vm: StoredVm, target: StoredHost, coming: Coming): Blocker[] {
  const required = apartGroups(vm).filter(({ strength }) => strength === "required");
  return [
    ...(coming === "started" ? [] : pinBlockers(vm, coming === "evacuated")),
    ...labelBlockers(vm.requiredLabels ?? {}, target.labels),
    ...required.flatMap(({ group }) => apartBlockers(vm.id, group, target.apart[group] ?? [])),
  ];
}

/** @throws Problem pinned, label-missing, anti-affinity: the code of the first blocker */
export function requireRules(vm: StoredVm, target: StoredHost, coming: Coming): void {
  const blockers = ruleBlockers(vm, target, coming);
  const [first] = blockers;
  if (first === undefined) return;
  const detail = blockers.map(({ message, cure }) => `${message}. ${cure}`).join("; ");
  const code = ruleCodes[first.code] ?? "anti-affinity";
  throw new Problem(code, `${vm.id} may not come to ${target.id}: ${detail}`, { blockers });
}

const ruleCodes: Readonly<Record<string, ProblemCode>> = {
  pinned: "pinned",
  "label-missing": "label-missing",
  "anti-affinity": "anti-affinity",
};

const codes: Readonly<Record<string, ProblemCode>> = {
  joining: "host-not-active",
  cordoned: "cordoned",
  draining: "host-draining",
  maintenance: "host-maintenance",
  retiring: "host-retiring",
  retired: "host-retired",
  silent: "host-silent",
};
