import type { HostTurn } from "../../core/evacuation/evacuation.ts";
import { turnsToBegin } from "../../core/evacuation/turns.ts";
import { VERSIONS_MAX } from "../../core/evacuation/version.ts";
import { withoutDrain } from "../../core/host/cordon.ts";
import type { HostId } from "../../core/id.ts";
import { findMove } from "../store/evacuation-moves.ts";
import { findVersion } from "../store/evacuation-plans.ts";
import { EVERYTHING, listenTo, stopListening } from "../store/evacuation-wakes.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { changeSettings, hostIsEmpty } from "../store/host-settings.ts";
import { listHolding } from "../store/slots.ts";
import { findVm, hasEnded, listVmsOn } from "../store/vms.ts";
import { edit } from "./change-evacuation.ts";
import { cordonHost, endDrain, liftCordon } from "./cordon-host.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

const KIND = "evacuation" as const;

/** Cordons the hosts whose turn has come. Idempotent: an evacuation has one cordon on a host. */
export async function beginTurns(evacuation: StoredEvacuation): Promise<void> {
  const { id, hosts, options, pauses } = evacuation;
  if (Object.keys(pauses).length > 0) return;
  const begun = turnsToBegin(hosts, options);
  if (begun.length === 0) return;
  for (const host of begun) {
    await listenTo(host, id);
    await drain(evacuation, host);
  }
  await setTurns(evacuation, begun, "draining");
  await wakeEvacuation(id, [EVERYTHING]);
}

/** No guest comes to the host any more, and it is shown as draining. */
export async function drain(
  { id, plannedBy }: Pick<StoredEvacuation, "id" | "plannedBy">,
  host: HostId,
): Promise<void> {
  const message = `emptied by ${id}, planned by ${plannedBy}`;
  await cordonHost(host, { owner: id, kind: KIND, message, drains: true });
}

/**
 * Closes the turns of hosts of which nothing moves any more: emptied, if they have no guest, or kept.
 * `appeared`: a guest is there that the plan does not know.
 */
export async function endTurns(
  evacuation: StoredEvacuation,
): Promise<"closed" | "unchanged" | "appeared"> {
  const { id, hosts, left } = evacuation;
  const over = hosts.filter(({ host, state }) => state === "draining" && (left[host] ?? 0) === 0);
  const emptied: HostId[] = [];
  const kept: HostId[] = [];
  for (const { host } of over) {
    if (await becomesEmpty(host, id)) emptied.push(host);
    else if ((await listHolding(host)).length > 0) continue;
    else if (await hasUnknownGuest(evacuation, host)) return "appeared";
    else kept.push(host);
  }
  if (emptied.length + kept.length === 0) return "unchanged";
  await setTurns(evacuation, emptied, "emptied");
  await setTurns(evacuation, kept, "kept");
  // The next hosts of the sequence may begin.
  await wakeEvacuation(id, [EVERYTHING]);
  return "closed";
}

/** One conditional write: the host has no guest, and no migration of it is under way. */
async function becomesEmpty(host: HostId, owner: string): Promise<boolean> {
  const written = await changeSettings(
    host,
    ({ cordons }) => ({ cordons: withoutDrain(cordons, { owner, kind: KIND }) }),
    hostIsEmpty,
  );
  return typeof written === "object";
}

async function hasUnknownGuest({ id, version }: StoredEvacuation, host: HostId): Promise<boolean> {
  for (const vmId of await listVmsOn(host)) {
    const vm = await findVm(vmId);
    const move = await findMove(id, vmId);
    if (vm === undefined || hasEnded(vm)) continue;
    if (move === undefined) return version < VERSIONS_MAX;
  }
  return false;
}

async function setTurns(
  { id }: StoredEvacuation,
  begun: readonly HostId[],
  state: HostTurn["state"],
): Promise<void> {
  if (begun.length === 0) return;
  const at = new Date().toISOString();
  const stamp = state === "draining" ? { begunAt: at } : { endedAt: at };
  await edit(id, ({ hosts }) => {
    const isDue = (turn: Pick<HostTurn, "host" | "state">) =>
      begun.includes(turn.host) &&
      (state === "draining" ? turn.state === "waiting" : turn.state === "draining");
    if (!hosts.some(isDue)) return undefined;
    return { hosts: hosts.map((turn) => (isDue(turn) ? { ...turn, state, ...stamp } : turn)) };
  });
}

/**
 * After the end: a cancelled or rolled-back evacuation gives its cordons back, a completed one keeps
 * them until its hosts are returned. Idempotent.
 */
export async function cleanUp(evacuation: StoredEvacuation): Promise<void> {
  const { id, status, hosts, approvedVersion } = evacuation;
  if (hosts.every(({ state }) => state === "waiting") && approvedVersion === undefined) return;
  if (["cancelled", "rolled-back"].includes(status)) await liftCordons(evacuation);
  else for (const { host } of hosts) await endDrain(host, { owner: id, kind: KIND });
  const version =
    approvedVersion === undefined ? undefined : await findVersion(id, approvedVersion);
  const targets = version?.outline.targets ?? [];
  for (const host of new Set([...hosts.map((turn) => turn.host), ...targets])) {
    await stopListening(host, id);
  }
}

/** Only its own: whoever else has cordoned a host keeps his cordon. */
export async function liftCordons({ id, hosts }: StoredEvacuation): Promise<void> {
  for (const { host, state } of hosts) {
    if (state !== "waiting") await liftCordon(host, { owner: id, kind: KIND });
  }
}
