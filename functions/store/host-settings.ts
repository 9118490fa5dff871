import { hostChanges } from "../../core/fleet-event/untold-events.ts";
import type { HostId } from "../../core/id.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { findHost, parseHost, type StoredHost } from "./hosts.ts";
import { keys } from "./keys.ts";
import { type Update, updateItem, write } from "./table.ts";

/** What operators and evacuations set of a host; an agent changes none of it. */
export type HostSettings = Pick<
  StoredHost,
  | "state"
  | "stateBy"
  | "down"
  | "cordons"
  | "labels"
  | "slotsOut"
  | "slotsIn"
  | "linkOutBytesPerSecond"
  | "linkInBytesPerSecond"
  | "prepareAhead"
>;

/** New values; undefined members of the host are removed. */
export type SettingsChange = { [K in keyof HostSettings]?: HostSettings[K] | undefined };

/** How often others may change the host between the read and the write. */
const TRIES_MAX = 8;

/**
 * Nothing is on the host and nothing is moving to it or away from it: its guests' memory and both
 * sides of every admitted migration are counted in the same item.
 */
export const hostIsEmpty: Also = {
  condition:
    "#reservedBytes <= :empty AND attribute_not_exists(#incoming) AND attribute_not_exists(#outgoing) AND attribute_not_exists(#preparingIn) AND attribute_not_exists(#preparingOut)",
  values: { ":empty": 0 },
};

/** A condition of a write beside the one that nothing has changed since the read. */
export type Also = { readonly condition: string; readonly values: Record<string, unknown> };

/**
 * Changes a host by what it is now. `decide` returns undefined to change nothing; it may be called
 * again when another writer was faster.
 *
 * @param also must hold in the same write; "refused": it does not
 *
 * @throws whatever `decide` throws
 */
export async function changeSettings(
  id: HostId,
  decide: (host: StoredHost) => SettingsChange | undefined,
  also?: Also,
): Promise<StoredHost | "missing" | "changing" | "refused"> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const host = await findHost(id);
    if (host === undefined) return "missing";
    const change = decide(host);
    if (change === undefined) return host;
    const written = await writeChange(host, change, also);
    if (written !== undefined) return written;
    const now = await findHost(id);
    const isAsRead = now?.revision === host.revision && now.state === host.state;
    if (also !== undefined && isAsRead) return "refused";
  }
  return "changing";
}

/** What people are told of is written in one transaction with it. */
async function writeChange(
  host: StoredHost,
  change: SettingsChange,
  also: Also | undefined,
): Promise<StoredHost | undefined> {
  const update = updateOf(host, change, also);
  const untold = hostChanges(host, { ...host, ...definedOf(change) });
  if (untold.length === 0) {
    const item = await updateItem(update);
    return item === undefined ? undefined : parseHost(item);
  }
  const failed = await transactWithEvents([write.update(update)], untold);
  return failed.length === 0 ? findHost(host.id) : undefined;
}

function definedOf({ state, cordons }: SettingsChange) {
  return {
    ...(state === undefined ? {} : { state }),
    ...(cordons === undefined ? {} : { cordons }),
  };
}

function updateOf(host: StoredHost, change: SettingsChange, also: Also | undefined): Update {
  const now = new Date().toISOString();
  const all: Record<string, unknown> = {
    ...change,
    ...(change.state === undefined ? {} : { stateSince: now }),
    revision: host.revision + 1,
  };
  const set = Object.keys(all).filter((name) => all[name] !== undefined);
  const removed = Object.keys(all).filter((name) => all[name] === undefined);
  const asRead =
    host.revision === 0 ? "(attribute_not_exists(#rev) OR #rev = :rev)" : "#rev = :rev";
  return {
    key: keys.host(host.id),
    update:
      `SET ${set.map((name) => `#${name} = :${name}`).join(", ")}` +
      (removed.length === 0 ? "" : ` REMOVE ${removed.map((name) => `#${name}`).join(", ")}`),
    // The state may also be changed by the registration of the agent.
    condition: `attribute_exists(pk) AND ${asRead} AND #was = :was${also === undefined ? "" : ` AND ${also.condition}`}`,
    names: { "#rev": "revision", "#was": "state" },
    values: {
      ...Object.fromEntries(set.map((name) => [`:${name}`, all[name]])),
      ...also?.values,
      ":rev": host.revision,
      ":was": host.state,
    },
  };
}
