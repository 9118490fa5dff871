import * as z from "zod";
import { hostHeard, hostSilent } from "../../core/fleet-event/untold-events.ts";
import { HostId } from "../../core/id.ts";
import { transactWithEvents } from "./fleet-events.ts";
import { keys } from "./keys.ts";
import { getItem, write } from "./table.ts";

const Silent = z.object({ hosts: z.array(HostId), revision: z.int() });

/** Events of one sweep: a transaction takes 100 writes. The others are for the next one. */
const CHANGES_MAX = 90;
/** Of so many silent hosts it is told: their names fit one item. */
const SILENT_MAX = 4_000;

export type Hearing = {
  readonly silent: readonly { readonly id: HostId; readonly since: string }[];
  /** Hosts whose agents are heard; others, such as retired ones, are told of neither way. */
  readonly heard: ReadonlySet<HostId>;
};

/**
 * Compares the silent hosts with those that were silent before, and tells of the difference. Of two
 * callers at one time one does it.
 *
 * @returns how many have become silent or were heard again
 */
export async function recordSilentHosts({ silent, heard }: Hearing): Promise<number> {
  const item = await getItem(keys.silentHosts());
  const before = item === undefined ? { hosts: [], revision: 0 } : Silent.parse(item);
  const known = new Set(before.hosts);
  const now = new Set(silent.map(({ id }) => id));
  const over = before.hosts.filter((id) => !now.has(id)).slice(0, CHANGES_MAX);
  const room = Math.min(CHANGES_MAX - over.length, SILENT_MAX - known.size);
  const fresh = silent.filter(({ id }) => !known.has(id)).slice(0, Math.max(0, room));
  if (fresh.length + over.length === 0) return 0;
  const hosts = [...before.hosts.filter((id) => !over.includes(id)), ...fresh.map(({ id }) => id)];
  const again = over.filter((id) => heard.has(id));
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
    [...fresh.map(({ id, since }) => hostSilent(id, since)), ...again.map(hostHeard)],
  );
  return failed.length === 0 ? fresh.length + over.length : 0;
}
