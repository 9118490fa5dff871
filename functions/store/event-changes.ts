import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { getItem, updateIf } from "./table.ts";

export type EventChange = {
  /** Fields that keep the first value told. */
  first: Record<string, unknown>;
  /** Fields that take the newest value told. */
  newest: Record<string, unknown>;
};

export type Teller = {
  id: MigrationId;
  vm: VmId;
  epoch: number;
  host: HostId;
  /** The part that the host must play. */
  side: "source" | "target";
};

/**
 * What a host tells of a running migration, oldest first, written into its record at once. False, and
 * nothing written, when the host does not play that part, the epoch is another one, or the migration
 * is over.
 */
export async function changeByEvents(teller: Teller, changes: EventChange[]): Promise<boolean> {
  const oldestWins = changes.map(({ first }) => first).reverse();
  const first = Object.assign({}, ...oldestWins) as EventChange["first"];
  const newest = Object.assign({}, ...changes.map((change) => change.newest));
  const sets = [
    ...Object.keys(first).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
    ...Object.keys(newest).map((name) => `#${name} = :${name}`),
  ];
  const values = Object.entries({ ...first, ...newest });
  return updateIf({
    key: keys.migration(teller.id),
    update: `SET ${[...sets, "#updatedAt = :now"].join(", ")}`,
    condition: "#status = :running AND #epoch = :epoch AND #vm = :vm AND #side = :host",
    names: { "#side": teller.side },
    values: {
      ...Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
      ":now": new Date().toISOString(),
      ":running": "running",
      ":epoch": teller.epoch,
      ":vm": teller.vm,
      ":host": teller.host,
    },
  });
}

/** The host plays that part in the migration, running or over. */
export async function playsPart({ id, vm, epoch, host, side }: Teller): Promise<boolean> {
  const item = await getItem(keys.migration(id));
  return item?.vm === vm && item.epoch === epoch && item[side] === host;
}
