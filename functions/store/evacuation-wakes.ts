import * as z from "zod";
import { EvacuationId } from "../../core/id.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { keys, type Listened, ownerOf } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import {
  deleteItem,
  expiresIn,
  getItem,
  putItem,
  queryItems,
  updateIf,
  updateItem,
} from "./table.ts";

/** Instead of a host's name: anything may have changed. */
export const EVERYTHING = "*";
/** Instead of a host's name: a VM that had no place may have one now. */
export const ROOM = "+";

/** Names of hosts, and of tenants, that are kept; more hosts that have changed are all hosts. */
const NAMES_MAX = 1_000;
/** Evacuations that listen to one host or tenant. */
const LISTENERS_MAX = 100;

/**
 * What an evacuation has to look at, and the token of its workflow while that waits. Each wake makes
 * `seq` grow, so one that comes while the last ones are handled is not lost.
 */
const Wakes = z.object({
  seq: z.int().nonnegative().default(0),
  hosts: z.set(z.string()).default(new Set<string>()),
  token: z.string().optional(),
  /** Tenants that it listens to. */
  tenants: z.set(TenantName).default(new Set<TenantName>()),
});
export type Wakes = z.infer<typeof Wakes>;

export async function readWakes(id: EvacuationId): Promise<Wakes> {
  return Wakes.parse((await getItem(keys.evacuationWakes(id))) ?? {});
}

export async function addWake(id: EvacuationId, hosts: readonly string[]): Promise<Wakes> {
  const key = keys.evacuationWakes(id);
  const values = { ":one": 1, ":ttl": expiresIn(keptSeconds.evacuation) };
  const added =
    hosts.length > NAMES_MAX
      ? undefined
      : await updateItem({
          key,
          update: "SET #ttl = :ttl ADD #seq :one, #hosts :hosts",
          condition: "attribute_not_exists(#hosts) OR size(#hosts) <= :max",
          values: { ...values, ":hosts": new Set(hosts), ":max": NAMES_MAX },
        });
  const item =
    added ??
    (await updateItem({
      key,
      update: "SET #ttl = :ttl, #hosts = :everything ADD #seq :one",
      values: { ...values, ":everything": new Set([EVERYTHING]) },
    }));
  return Wakes.parse(item ?? {});
}

/** False when another wake has come since they were read. */
export async function settleWakes(id: EvacuationId, { seq }: Pick<Wakes, "seq">): Promise<boolean> {
  return updateIf({
    key: keys.evacuationWakes(id),
    update: "REMOVE #hosts",
    condition: "attribute_not_exists(#seq) OR #seq = :seq",
    values: { ":seq": seq },
  });
}

/** Registers the token of a workflow that waits. Returns the wakes as they are then. */
export async function registerToken(id: EvacuationId, token: string): Promise<Wakes> {
  const item = await updateItem({
    key: keys.evacuationWakes(id),
    update: "SET #token = :token",
    values: { ":token": token },
  });
  return Wakes.parse(item ?? {});
}

/**
 * Tenants are noted before: so whoever stops listening knows them. It listens to no more than are noted:
 * VMs of the others are looked at with the next change of anything else.
 */
export async function listenTo(of: Listened, id: EvacuationId): Promise<void> {
  if ("tenant" in of && !(await noteTenant(of.tenant, id))) return;
  await putItem(keys.listener(of, id));
}

/** False when too many are noted. */
async function noteTenant(tenant: TenantName, id: EvacuationId): Promise<boolean> {
  return updateIf({
    key: keys.evacuationWakes(id),
    update: "ADD #tenants :tenant",
    condition:
      "attribute_not_exists(#tenants) OR contains(#tenants, :name) OR size(#tenants) < :max",
    values: { ":tenant": new Set([tenant]), ":name": tenant, ":max": NAMES_MAX },
  });
}

export async function stopListening(of: Listened, id: EvacuationId): Promise<void> {
  await deleteItem(keys.listener(of, id));
}

/** Evacuations that want to know of changes on this host, for this tenant, or of room. */
export async function listListeners(of: Listened): Promise<EvacuationId[]> {
  const prefix = "EVACUATION#";
  const { items } = await queryItems({
    partition: ["pk", ownerOf(of)],
    prefix: ["sk", prefix],
    limit: LISTENERS_MAX,
  });
  return items.map(({ sk }) => EvacuationId.parse(String(sk).slice(prefix.length)));
}
