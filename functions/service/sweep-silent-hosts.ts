import type { HostId } from "../../core/id.ts";
import { listHosts } from "../store/hosts.ts";
import { type Hearing, recordSilentHosts } from "../store/silent-hosts.ts";
import { byInvocation } from "./wake-by-invocation.ts";
import { wakeForRoom } from "./wake-listeners.ts";

const HOSTS_PER_PAGE = 100;
const PAGES_MAX = 100;

export type SweptHosts = {
  readonly silent: HostId[];
  /** How many have become silent, or were heard again. */
  readonly changes: number;
};

/** Finds active hosts that have become silent, or were heard again: nobody writes that by itself. */
export async function sweepSilentHosts(): Promise<SweptHosts> {
  const silent: Hearing["silent"][number][] = [];
  const heard = new Set<HostId>();
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { items, next } = await listHosts({ limit: HOSTS_PER_PAGE, after });
    for (const { id, state, silentSince: since } of items) {
      if (since === undefined) heard.add(id);
      else if (state === "silent") silent.push({ id, since });
    }
    if (next === undefined) break;
    after = next;
  }
  const changes = await recordSilentHosts({ silent, heard });
  // One that is heard again takes guests again.
  if (changes > 0) await wakeForRoom(byInvocation.proceed);
  return { silent: silent.map(({ id }) => id), changes };
}
