import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { getItem, updateIf } from "./table.ts";

export type EventChange = {
  /** The part the telling host must play. */
  side: "source" | "target";
  /** Fields that keep the first value told. */
  first: Record<string, unknown>;
  /** Fields that take the newest value told. */
  newest: Record<string, unknown>;
};

export type Teller = { id: MigrationId; vm: VmId; epoch: number; host: HostId };

/**
 * What a host tells of a running migration, written into its record. False, and nothing written,
 * when the host does not play that part, the epoch is another one, or the migration is over.
 */
export async function changeByEvent(teller: Teller, change: EventChange): Promise<boolean> {
  const first = Object.keys(change.first).map(
    (name) => `#${name} = if_not_exists(#${name}, :${name})`,
  );
  const newest = Object.keys(change.newest).map((name) => `#${name} = :${name}`);
  const values = Object.entries({ ...change.first, ...change.newest });
  return updateIf({
    key: keys.migration(teller.id),
    update: `SET ${[...first, ...newest, "#updatedAt = :now"].join(", ")}`,
    condition: "#status = :running AND #epoch = :epoch AND #vm = :vm AND #side = :host",
    names: { "#side": change.side },
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
export async function playsPart(
  { id, vm, epoch, host }: Teller,
  side: EventChange["side"],
): Promise<boolean> {
  const item = await getItem(keys.migration(id));
  return item?.vm === vm && item.epoch === epoch && item[side] === host;
}
