import { type Action, decide, type Life } from "../../core/evacuation/life.ts";
import { pauseKey } from "../../core/evacuation/pausing.ts";
import type { Evacuation, EvacuationMove, Moving } from "../api-types.ts";

/** Why something cannot be done now; undefined: it can. */
export type Reason = string | undefined;

/** By the rule with which the control plane itself decides; it has the last word. */
export function evacuationReason(
  evacuation: Evacuation,
  action: "approve" | "reject" | "pause" | "resume" | "cancel" | "rollback",
  by: { readonly author: string; readonly nowMs: number },
): Reason {
  const at = new Date(by.nowMs).toISOString();
  const { author } = by;
  const wanted: Action =
    action === "approve"
      ? { do: "approve", version: evacuation.version, author }
      : { do: action, author };
  const decided = decide(lifeOf(evacuation), wanted, at);
  if ("refused" in decided) return decided.detail;
  if ("repeated" in decided) return repeated[action];
  return undefined;
}

const repeated = {
  approve: "You have approved this version",
  reject: "It is rejected",
  pause: "You have paused it",
  resume: "No pause of a person or of the error budget is there to end",
  cancel: "It is being cancelled",
  rollback: "It is being rolled back",
};

function lifeOf(evacuation: Evacuation): Life {
  const { status, pauses, ...rest } = evacuation;
  return {
    ...rest,
    status: status === "paused" ? "running" : status,
    pauses: Object.fromEntries(pauses.map((one) => [pauseKey(one.reason, one.author), one])),
    failedBefore: 0,
  };
}

export function skipReason({ status }: Evacuation, { state }: EvacuationMove): Reason {
  if (!["approved", "running", "paused", "rolling-back"].includes(status)) return `It is ${status}`;
  if (["noticed", "waiting", "retrying"].includes(state)) return undefined;
  return state === "moving" ? "It is moving: cancel its migration" : `It is ${state}`;
}

/** Whoever acknowledges does so as the VM's owner, or for him. */
export function acknowledgeReason({ status }: Evacuation, { state }: EvacuationMove): Reason {
  if (!["approved", "running", "paused"].includes(status)) return `It is ${status}`;
  return state === "noticed" ? undefined : "It does not wait for its owner";
}

export function retryReason({ status }: Evacuation, { state }: EvacuationMove): Reason {
  const isOpen = ["running", "paused", "completed-with-remainder"].includes(status);
  if (!isOpen) return `The evacuation is ${status}`;
  return ["unplaced", "failed", "skipped"].includes(state) ? undefined : `It is ${state}`;
}

export function limitsReason({ status }: Evacuation): Reason {
  const open = ["planned", "approved", "running", "paused", "rolling-back"];
  return open.includes(status) ? undefined : `It is ${status}`;
}

export function migrationReason(
  migration: Moving,
  action: "cancel" | "permit" | "waive" | "bandwidth",
): Reason {
  const { status, phase, gate, startedAtMs, stoppedAtMs, postcopyAtMs } = migration;
  if (status !== "running") return `It is over: ${status}`;
  const isCancelling = migration.cancelRequestedAt !== undefined;
  if (action === "cancel" && isCancelling) return "It is being cancelled";
  if (action === "waive") {
    return phase === "await-ack" ? undefined : "It does not wait for an ACK";
  }
  if (action === "permit") {
    if (isCancelling) return "It is being cancelled";
    if (gate === undefined) return "It has no gate: it switches over by itself";
    return gate.permittedAt === undefined ? undefined : `Permitted by ${gate.permittedBy ?? "it"}`;
  }
  if (postcopyAtMs !== undefined) return "Postcopy has begun: nothing can be undone";
  if (stoppedAtMs !== undefined) return "The guest has stopped on the source for the switchover";
  if (action === "cancel") return undefined;
  if (isCancelling) return "It is being cancelled";
  return startedAtMs === undefined ? "It sends nothing yet" : undefined;
}
