import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import type { EvacuationLimits } from "../../core/evacuation/request.ts";
import type { HostCordon } from "../../core/host/cordon.ts";
import { EvacuationId, type HostId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { EVERYTHING } from "../store/evacuation-wakes.ts";
import {
  findEvacuation,
  listOpenEvacuations,
  type StoredEvacuation,
} from "../store/evacuations.ts";
import { findHost } from "../store/hosts.ts";
import { act, ask, edit } from "./change-evacuation.ts";
import { uncordonHost } from "./cordon-host.ts";
import { evacuationExecutionArn, startEvacuationExecution } from "./evacuation-executions.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

export type By = { readonly author: string; readonly message?: string | undefined };

/**
 * Nothing starts from now on; transfers in flight go on, and prepared targets are ended. A person who
 * has paused it already keeps his first message.
 *
 * @throws Problem evacuation-not-found, evacuation-over, evacuation-not-running, too-many-pauses,
 *   workflow-unavailable
 */
export async function pauseEvacuation(id: EvacuationId, by: By): Promise<StoredEvacuation> {
  return wake(await ask(id, { do: "pause", ...by }));
}

/** @throws Problem evacuation-not-found, evacuation-over, workflow-unavailable */
export async function resumeEvacuation(id: EvacuationId, by: By): Promise<StoredEvacuation> {
  return wake(await ask(id, { do: "resume", ...by }));
}

/**
 * Rejects a plan that nobody has approved yet, or a version that is offered while another one is
 * carried out.
 *
 * @throws Problem evacuation-not-found, evacuation-not-planned, workflow-unavailable
 */
export async function rejectEvacuation(id: EvacuationId, by: By): Promise<StoredEvacuation> {
  return wake(await ask(id, { do: "reject", ...by }));
}

/**
 * Transfers in flight end, nothing else starts, what has moved stays where it is.
 *
 * @throws Problem evacuation-not-found, evacuation-over, evacuation-not-running, workflow-unavailable
 */
export async function cancelEvacuation(id: EvacuationId, by: By): Promise<StoredEvacuation> {
  return wake(await ask(id, { do: "cancel", ...by }));
}

/**
 * Moves back what has moved. While it runs, transfers in flight end first.
 *
 * @throws Problem evacuation-not-found, nothing-to-roll-back, workflow-unavailable
 */
export async function rollBackEvacuation(id: EvacuationId, by: By): Promise<StoredEvacuation> {
  return wake(
    await ask(id, { do: "rollback", ...by }, (now, { status }) =>
      status === "rolling-back" ? nextExecution(now) : {},
    ),
  );
}

/** An evacuation that had ended goes on in another execution. */
export function nextExecution({ id, generation }: StoredEvacuation) {
  const next = { id, generation: generation + 1 };
  return { generation: next.generation, executionArn: evacuationExecutionArn(next) };
}

/** @throws Problem evacuation-not-found, evacuation-over, workflow-unavailable */
export async function limitEvacuation(
  id: EvacuationId,
  limits: EvacuationLimits,
): Promise<StoredEvacuation> {
  const change = (now: StoredEvacuation) => {
    if (!isFinalEvacuation(now.status)) return { limits: { ...now.limits, ...limits } };
    throw new Problem("evacuation-over", `It is ${now.status}: nothing of it starts any more`);
  };
  return wake(await edit(id, change));
}

/** Open evacuations that are looked at when a host is uncordoned. */
const OPEN_MAX = 100;

/**
 * A person ends all cordons of a host. The evacuations that empty it, or are approved to, learn of that
 * first and leave it alone: whoever dies in between, or repeats the request, ends their drains.
 *
 * @returns the host, and the cordons that it had
 *
 * @throws Problem host-not-found, host-changed, host-retired, workflow-unavailable
 */
export async function uncordonByPerson(host: HostId, by: By) {
  const before = await findHost(host);
  await endDrainsOf(host, before?.cordons ?? [], by);
  const uncordoned = await uncordonHost(host);
  await endDrainsOf(host, uncordoned.cleared, by);
  return uncordoned;
}

async function endDrainsOf(host: HostId, cordons: readonly HostCordon[], by: By): Promise<void> {
  const found = new Set(await waitingFor(host));
  for (const { kind, owner } of cordons) {
    const id = EvacuationId.safeParse(kind === "evacuation" ? owner : undefined);
    if (id.success) found.add(id.data);
  }
  for (const id of found) await endDrainOf(id, host, by);
}

/** Approved evacuations that have not cordoned the host yet, such as those that wait for a window. */
async function waitingFor(host: HostId): Promise<EvacuationId[]> {
  const { items } = await listOpenEvacuations({ limit: OPEN_MAX });
  const waiting: EvacuationId[] = [];
  for (const id of items) {
    const evacuation = await findEvacuation(id);
    const isUnderWay = evacuation?.status === "approved" || evacuation?.status === "running";
    const turn = evacuation?.hosts.find((one) => one.host === host);
    if (isUnderWay && turn?.state === "waiting") waiting.push(id);
  }
  return waiting;
}

/**
 * A person has uncordoned a host while it was emptied: nothing more is moved off it, what has moved
 * stays. If there is no other one, that ends the evacuation.
 */
async function endDrainOf(id: EvacuationId, host: HostId, by: By): Promise<void> {
  const known = await findEvacuation(id);
  // Its cordon may outlive its record.
  if (known === undefined || isFinalEvacuation(known.status)) return;
  // Without the message: the record has one of these for each host.
  const at = new Date().toISOString();
  const end = { action: "uncordon" as const, author: by.author, at };
  const now = await edit(id, ({ uncordoned }) =>
    Object.hasOwn(uncordoned, host) ? undefined : { uncordoned: { ...uncordoned, [host]: end } },
  );
  const isLast = now.hosts.every((turn) => now.uncordoned[turn.host] !== undefined);
  if (now.status === "running" && isLast) {
    await act(id, { do: "cancel", action: "uncordon", ...by });
  }
  await wake(now);
}

/** Its workflow looks at the change; it is started if the process that should have died before. */
export async function wake(evacuation: StoredEvacuation): Promise<StoredEvacuation> {
  const { id, status, generation } = evacuation;
  if (generation === 0 || ["rejected", "expired"].includes(status)) return evacuation;
  await orUnavailable("workflow-unavailable", async () => {
    await wakeEvacuation(id, [EVERYTHING]);
    if (["approved", "rolling-back", "running", "cancelling"].includes(status)) {
      await startEvacuationExecution(evacuation);
    }
  });
  return evacuation;
}
