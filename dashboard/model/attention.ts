import type { Evacuation, Fleet } from "../api-types.ts";
import { hrefTo } from "../routes.ts";

/** Something that waits for a person. */
export type Attention = {
  readonly key: string;
  /** `person`: nothing goes on without one; `look`: it may be all right. */
  readonly level: "person" | "look";
  readonly title: string;
  readonly what: string;
  readonly href: string;
};

/** An evacuation that ended so long ago needs nobody any more. */
const ENDED_SHOWN_MS = 86_400_000;

/** What needs a person, the most urgent first. */
export function attentionOf(
  fleet: Fleet,
  evacuations: readonly Evacuation[],
  nowMs: number,
): Attention[] {
  const found = [
    ...fleet.migrations.flatMap((one) => ofMigration(one, nowMs)),
    ...fleet.hosts.flatMap(ofHost),
    ...evacuations.flatMap((one) => ofEvacuation(one, nowMs)),
  ];
  return found.toSorted((a, b) => Number(a.level === "look") - Number(b.level === "look"));
}

function ofMigration(migration: Fleet["migrations"][number], nowMs: number): Attention[] {
  const { id, vm, source, target, status, gate, failure } = migration;
  const href = hrefTo("migrations", id);
  if (status === "unknown") {
    const what = failure?.cure ?? `look at ${source} and ${target}, then reconcile the VM`;
    return [{ key: id, level: "person", title: `Nobody knows where ${vm} runs`, what, href }];
  }
  if (gate?.heldAtMs !== undefined && gate.permittedAt === undefined) {
    const title = `${vm} is held before its switchover`;
    const what = `it keeps running on ${source} until somebody permits the switchover`;
    return [{ key: id, level: "person", title, what, href }];
  }
  if (isAckOverdue(migration, nowMs)) {
    const title = `${vm} waits for an ACK that is overdue`;
    const what = `it keeps running on ${source}; wait, waive the ACK, or cancel`;
    return [{ key: id, level: "person", title, what, href }];
  }
  return [];
}

/** The policy is to wait on until a person decides. */
function isAckOverdue({ phase, phases, policy }: Fleet["migrations"][number], nowMs: number) {
  if (phase !== "await-ack" || policy.ack.onTimeout !== "hold") return false;
  const since = phases.findLast(({ name }) => name === "await-ack")?.startedAt;
  return since !== undefined && nowMs - Date.parse(since) > policy.ack.deadlineMs;
}

function ofHost({ id, state, vms, unfitEvent }: Fleet["hosts"][number]): Attention[] {
  const href = hrefTo("hosts", id);
  const found: Attention[] = [];
  if (state === "silent") {
    const title = `${id} is silent`;
    const guests =
      vms === 1 ? "; its VM keeps its last place" : `; its ${vms} VMs keep their last place`;
    const what = `nothing is heard of its agent${vms === 0 ? "" : guests}`;
    found.push({ key: `${id} silent`, level: "person", title, what, href });
  }
  if (unfitEvent !== undefined) {
    const title = `An event of ${id} could not be recorded`;
    const what = `${unfitEvent.type}: ${unfitEvent.reason}`;
    found.push({ key: `${id} event`, level: "look", title, what, href });
  }
  return found;
}

function ofEvacuation(evacuation: Evacuation, nowMs: number): Attention[] {
  const { id, status, version, pauses, unknownVms, counters, endedAt } = evacuation;
  const href = hrefTo("evacuations", id);
  const of = hostsText(evacuation);
  if (status === "planned") {
    const title = `Version ${version} of the plan for ${of} awaits approval`;
    const what = "nothing moves before";
    return [{ key: id, level: "person", title, what, href }];
  }
  if (status === "paused") {
    const what = pauses.map(({ reason, author }) => `${author} (${reason})`).join(", ");
    return [{ key: id, level: "person", title: `The evacuation of ${of} is paused`, what, href }];
  }
  const isRecent = endedAt !== undefined && nowMs - Date.parse(endedAt) < ENDED_SHOWN_MS;
  if (!isRecent) return [];
  if (status === "failed") {
    const title = `The evacuation of ${of} could not go on`;
    return [{ key: id, level: "person", title, what: "see the control plane's log", href }];
  }
  if (status !== "completed-with-remainder" && unknownVms.length === 0) return [];
  const left = counters.failed + counters.unplaced + counters.skipped;
  const what = left === 1 ? "1 VM stays where it was" : `${left} VMs stay where they were`;
  return [{ key: id, level: "look", title: `${of}: not empty`, what, href }];
}

export function hostsText({ hosts }: Pick<Evacuation, "hosts">): string {
  const [first, second] = hosts;
  if (first === undefined) return "no host";
  if (second === undefined) return first.host;
  if (hosts.length === 2) return `${first.host} and ${second.host}`;
  return `${first.host} and ${hosts.length - 1} more`;
}
