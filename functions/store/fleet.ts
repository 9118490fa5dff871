import * as z from "zod";
import { HostId, MigrationId, VmId } from "../../core/id.ts";
import { MigrationStatus } from "../../core/migration/migration.ts";
import { Progress } from "../../core/protocol/event.ts";
import { HostFacts } from "../../core/protocol/host.ts";
import { parseHost, type StoredHost, withHeard } from "./hosts.ts";
import { keys } from "./keys.ts";
import { getItems, type Item, type Key, queryItems } from "./table.ts";
import { GSI1 } from "./table-schema.ts";
import { parseVm, type StoredVm } from "./vms.ts";

/** Keys of one query of a list, and of one batch: BatchGetItem takes no more than 100. */
const KEYS_PER_QUERY = 1_000;
const KEYS_PER_BATCH = 100;
const BATCHES_AT_ONCE = 8;

/** The fleet has more entries of one kind than one plan takes. */
export class FleetTooLarge extends Error {
  override name = "FleetTooLarge";
}

export type HostWithFacts = { host: StoredHost; facts: HostFacts | undefined };

/**
 * Every host by name, with its facts. Those in `also` are read by their keys: the index of a list may
 * lack a host that was added a moment ago.
 *
 * @throws FleetTooLarge
 */
export async function readAllHosts(
  max: number,
  also: ReadonlySet<HostId>,
): Promise<HostWithFacts[]> {
  const ids = new Set<HostId>(also);
  for (const id of await listIds("HOSTS", max)) ids.add(HostId.parse(id));
  const wanted = [...ids].sort();
  const rows = await readAll(
    wanted.flatMap((id) => [keys.host(id), keys.hostFacts(id), keys.hostHeard(id)]),
  );
  const byKey = new Map(rows.map((row) => [`${row.pk} ${row.sk}`, row]));
  return wanted.flatMap((id): HostWithFacts[] => {
    const meta = byKey.get(`${keys.host(id).pk} META`);
    if (meta === undefined) return [];
    const facts = byKey.get(`${keys.host(id).pk} FACTS`)?.facts;
    const host = withHeard(parseHost(meta), byKey.get(`${keys.host(id).pk} HEARD`));
    return [{ host, facts: facts === undefined ? undefined : HostFacts.parse(facts) }];
  });
}

/** Every VM, of each what `keep` returns. @throws FleetTooLarge */
export async function readAllVms<T>(max: number, keep: (vm: StoredVm) => T): Promise<T[]> {
  const ids = await listIds("VMS", max);
  const found: T[] = [];
  // A definition may have 192 KiB: only what is kept of it stays in memory.
  await readAll(
    ids.map((id) => keys.vm(id as VmId)),
    (row) => {
      found.push(keep(parseVm(row)));
    },
  );
  return found;
}

const UnderWay = z.object({
  id: MigrationId,
  vm: VmId,
  target: HostId,
  status: MigrationStatus,
  slots: z.enum(["preparing", "held", "released"]).optional(),
  heldBytes: z.int().nonnegative(),
  progress: Progress.optional(),
});
/** What plans, and those that wait for slots, need to know of a migration that holds a VM. */
export type UnderWay = z.infer<typeof UnderWay>;

export async function readUnderWay(ids: readonly MigrationId[]): Promise<UnderWay[]> {
  const rows = await readAll(ids.map(keys.migration));
  return rows.map((row) => UnderWay.parse(row));
}

async function listIds(partition: "HOSTS" | "VMS", max: number): Promise<string[]> {
  const ids: string[] = [];
  let after: Record<string, string> | undefined;
  do {
    const { items, more } = await queryItems({
      index: GSI1,
      partition: ["gsi1pk", partition],
      limit: KEYS_PER_QUERY,
      ...(after === undefined ? {} : { after }),
    });
    ids.push(...items.map(({ gsi1sk }) => String(gsi1sk)));
    if (ids.length > max) {
      const many = `more than ${max} ${partition === "HOSTS" ? "hosts" : "VMs"}`;
      throw new FleetTooLarge(`The fleet has ${many}: use several control planes`);
    }
    const last = items.at(-1);
    after = more && last !== undefined ? keyOf(last) : undefined;
  } while (after !== undefined);
  return ids;
}

function keyOf({ pk, sk, gsi1pk, gsi1sk }: Item): Record<string, string> {
  return { pk: String(pk), sk: String(sk), gsi1pk: String(gsi1pk), gsi1sk: String(gsi1sk) };
}

/** Items of any number of keys, in any order; missing ones are left out. */
async function readAll(wanted: readonly Key[], each?: (row: Item) => void): Promise<Item[]> {
  const found: Item[] = [];
  const step = KEYS_PER_BATCH * BATCHES_AT_ONCE;
  for (let place = 0; place < wanted.length; place += step) {
    const part = wanted.slice(place, place + step);
    const batches = Array.from({ length: Math.ceil(part.length / KEYS_PER_BATCH) }, (_, index) =>
      part.slice(index * KEYS_PER_BATCH, (index + 1) * KEYS_PER_BATCH),
    );
    const rows = (await Promise.all(batches.map(getItems))).flat();
    if (each === undefined) found.push(...rows);
    else rows.forEach(each);
  }
  return found;
}
