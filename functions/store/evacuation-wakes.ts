import { z } from "zod";
import { EvacuationId, type HostId } from "../../core/id.ts";
import { keys } from "./keys.ts";
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

/** Evacuations that listen to one host. */
const LISTENERS_MAX = 100;

/**
 * What an evacuation has to look at, and the token of its workflow while that waits. Each wake makes
 * `seq` grow, so one that comes while the last ones are handled is not lost.
 */
const Wakes = z.object({
  seq: z.int().nonnegative().default(0),
  hosts: z.set(z.string()).default(new Set<string>()),
  token: z.string().optional(),
});
export type Wakes = z.infer<typeof Wakes>;

export async function readWakes(id: EvacuationId): Promise<Wakes> {
  return Wakes.parse((await getItem(keys.evacuationWakes(id))) ?? {});
}

export async function addWake(id: EvacuationId, hosts: readonly string[]): Promise<Wakes> {
  const item = await updateItem({
    key: keys.evacuationWakes(id),
    update: "SET #ttl = :ttl ADD #seq :one, #hosts :hosts",
    values: {
      ":one": 1,
      ":hosts": new Set(hosts),
      ":ttl": expiresIn(keptSeconds.evacuation),
    },
  });
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

export async function listenTo(host: HostId, id: EvacuationId): Promise<void> {
  await putItem(keys.hostListener(host, id));
}

export async function stopListening(host: HostId, id: EvacuationId): Promise<void> {
  await deleteItem(keys.hostListener(host, id));
}

/** Evacuations that want to know of changes on this host. */
export async function listListeners(host: HostId): Promise<EvacuationId[]> {
  const prefix = "EVACUATION#";
  const { items } = await queryItems({
    partition: ["pk", `HOST#${host}`],
    prefix: ["sk", prefix],
    limit: LISTENERS_MAX,
  });
  return items.map(({ sk }) => EvacuationId.parse(String(sk).slice(prefix.length)));
}
