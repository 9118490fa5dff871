import { z } from "zod";
import { hostHeard, hostSilent } from "../../core/fleet-event/happenings.ts";
import { HostId } from "../../core/id.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import { getItem, write } from "./table.ts";

const Silent = z.object({ hosts: z.array(HostId), revision: z.int() });

/** Events of one sweep: a transaction takes 100 writes. The others are for the next one. */
const CHANGES_MAX = 90;

export type SilentHost = { readonly id: HostId; readonly since: string };

/**
 * Compares the silent hosts with those that were silent before, and tells of the difference. Of two
 * callers at one time one does it.
 *
 * @returns how many have become silent or were heard again
 */
export async function recordSilentHosts(silent: readonly SilentHost[]): Promise<number> {
  const item = await getItem(keys.silentHosts());
  const before = item === undefined ? { hosts: [], revision: 0 } : Silent.parse(item);
  const fresh = silent.filter(({ id }) => !before.hosts.includes(id)).slice(0, CHANGES_MAX);
  const now = new Set(silent.map(({ id }) => id));
  const heard = before.hosts.filter((id) => !now.has(id)).slice(0, CHANGES_MAX - fresh.length);
  if (fresh.length + heard.length === 0) return 0;
  const hosts = [...before.hosts.filter((id) => !heard.includes(id)), ...fresh.map(({ id }) => id)];
  const failed = await transactWithEvents(
    [
      write.put(
        { ...keys.silentHosts(), hosts, revision: before.revision + 1 },
        {
          condition: "attribute_not_exists(pk) OR #revision = :revision",
          values: { ":revision": before.revision },
        },
      ),
    ],
    [...fresh.map(({ id, since }) => hostSilent(id, since)), ...heard.map(hostHeard)],
  );
  return failed.length === 0 ? fresh.length + heard.length : 0;
}
