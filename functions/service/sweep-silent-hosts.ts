import type { HostId } from "../../core/id.ts";
import { listHosts } from "../store/hosts.ts";
import { type Hearing, recordSilentHosts } from "../store/silent-hosts.ts";

const HOSTS_PER_PAGE = 100;
const PAGES_MAX = 100;

/**
 * Finds active hosts that have become silent, or were heard again: nobody writes that by itself.
 *
 * @returns how many
 */
export async function sweepSilentHosts(): Promise<number> {
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
  return recordSilentHosts({ silent, heard });
}
