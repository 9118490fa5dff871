import type { HostTurn } from "../../core/evacuation/evacuation.ts";
import { turnsToBegin } from "../../core/evacuation/turns.ts";
import { VERSIONS_MAX } from "../../core/evacuation/version.ts";
import { withoutDrain } from "../../core/host/cordon.ts";
import type { HostId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../runtime/log.ts";
import { findMove } from "../store/evacuation-moves.ts";
import { listOutlines } from "../store/evacuation-plans.ts";
import { EVERYTHING, listenTo, readWakes, stopListening } from "../store/evacuation-wakes.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { readUnderWay } from "../store/fleet.ts";
import { changeSettings, hostIsEmpty } from "../store/host-settings.ts";
import { listHolding } from "../store/slots.ts";
import { findVm, hasEnded, listVmsOn } from "../store/vms.ts";
import { edit } from "./change-evacuation.ts";
import { cordonHost, endDrain, liftCordon } from "./cordon-host.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

const KIND = "evacuation" as const;

/**
 * Cordons the hosts whose turn has come, and those that a later version, or a person, has made moves
 * of after their turn. Idempotent: an evacuation has one cordon on a host.
 *
 * @returns whether any turn has begun
 */
export async function beginTurns(evacuation: StoredEvacuation): Promise<boolean> {
  const { id, hosts, options, pauses, left, uncordoned } = evacuation;
  if (Object.keys(pauses).length > 0) return false;
  const again = hosts.flatMap(({ host, state }) =>
    state === "kept" && (left[host] ?? 0) > 0 && uncordoned[host] === undefined ? [host] : [],
  );
  const begun = [...turnsToBegin(hosts, options), ...again];
  if (begun.length === 0) return false;
  for (const host of begun) {
    await listenTo({ host }, id);
    await tolerated(drain(evacuation, host));
  }
  await setTurns(evacuation, begun, "draining");
  await wakeEvacuation(id, [EVERYTHING]);
  return true;
}

/** No guest comes to the host any more, and it is shown as draining. */
function drain({ id, plannedBy }: StoredEvacuation, host: HostId): Promise<unknown> {
  const message = `emptied by ${id}, planned by ${plannedBy}`;
  return cordonHost(host, { owner: id, kind: KIND, message, drains: true });
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
    const emptying = await becomesEmpty(host, id);
    if (emptying === "changing") continue;
    if (emptying === "empty") emptied.push(host);
    else if (await hasMigration(host)) continue;
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
async function becomesEmpty(
  host: HostId,
  owner: string,
): Promise<"empty" | "occupied" | "changing"> {
  const written = await changeSettings(
    host,
    ({ cordons }) => ({ cordons: withoutDrain(cordons, { owner, kind: KIND }) }),
    hostIsEmpty,
  );
  if (typeof written === "object" || written === "missing") return "empty";
  return written === "changing" ? "changing" : "occupied";
}

/** One whose end is unknown keeps its slots until a person has helped, and holds up no turn. */
async function hasMigration(host: HostId): Promise<boolean> {
  const holders = await readUnderWay(await listHolding(host));
  return holders.some(({ status }) => status === "running");
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
  const from = state === "draining" ? ["waiting", "kept"] : ["draining"];
  await edit(id, ({ hosts }) => {
    const isDue = (turn: Pick<HostTurn, "host" | "state">) =>
      begun.includes(turn.host) && from.includes(turn.state);
    if (!hosts.some(isDue)) return undefined;
    return { hosts: hosts.map((turn) => (isDue(turn) ? turned(turn, state, at) : turn)) };
  });
}

type Turn = StoredEvacuation["hosts"][number];

function turned({ endedAt: _, ...turn }: Turn, state: Turn["state"], at: string): Turn {
  if (state === "draining") return { ...turn, state, begunAt: turn.begunAt ?? at };
  return { ...turn, state, endedAt: at };
}

/**
 * What is left to do before the end is written, so that whoever dies in between does it again: a
 * cancelled or rolled-back evacuation gives its cordons back, any other one keeps them until its hosts
 * are returned. Idempotent.
 */
export async function cleanUp(evacuation: StoredEvacuation): Promise<void> {
  const { id, status, hosts, version } = evacuation;
  if (["cancelled", "rolled-back"].includes(status)) await liftCordons(evacuation);
  else for (const { host } of hosts) await tolerated(endDrain(host, { owner: id, kind: KIND }));
  const targets = (await listOutlines(id, version)).flatMap((outline) => outline.targets);
  for (const host of new Set([...hosts.map((turn) => turn.host), ...targets])) {
    await stopListening({ host }, id);
  }
  await stopListening({ room: true }, id);
  const { tenants } = await readWakes(id);
  for (const tenant of tenants) await stopListening({ tenant }, id);
}

/**
 * Only its own: whoever else has cordoned a host keeps his cordon. A host whose turn is not begun by
 * the record may have one: the process that has written it died.
 */
export async function liftCordons({ id, hosts }: StoredEvacuation): Promise<void> {
  for (const { host } of hosts) await tolerated(liftCordon(host, { owner: id, kind: KIND }));
}

/** A host that is gone, or was taken out of the fleet, holds up nothing. */
async function tolerated(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Problem) || error.code === "host-changed") throw error;
    log().warn({ err: error }, "a host of an evacuation cannot be changed");
  }
}
