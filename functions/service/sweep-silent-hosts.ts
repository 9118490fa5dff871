import { listHosts } from "../store/hosts.ts";
import { recordSilentHosts, type SilentHost } from "../store/silent-hosts.ts";

const HOSTS_PER_PAGE = 100;
const PAGES_MAX = 100;

/**
 * Finds active hosts that have become silent, or were heard again: nobody writes that by itself.
 *
 * @returns how many
 */
export async function sweepSilentHosts(): Promise<number> {
  const silent: SilentHost[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { items, next } = await listHosts({ limit: HOSTS_PER_PAGE, after });
    for (const { id, state, silentSince: since } of items) {
      if (state === "silent" && since !== undefined) silent.push({ id, since });
    }
    if (next === undefined) break;
    after = next;
  }
  return recordSilentHosts(silent);
}
