import type { HostId } from "../../core/id.ts";
import type { Migration } from "../../core/migration/migration.ts";
import type { Host } from "../../core/protocol/host.ts";
import { listHosts } from "../store/hosts.ts";
import { listMigrations } from "../store/migration-record.ts";
import type { Listed, Page } from "../store/page.ts";
import { listVmsOn } from "../store/vms.ts";

/** Hosts, and migrations, that a snapshot has at most. */
const HOSTS_MAX = 1_000;
const MIGRATIONS_MAX = 1_000;
const PAGE_MAX = 100;
/** Hosts whose VMs are counted at the same time. */
const TOGETHER_MAX = 16;

export type FleetOverview = {
  hosts: (Host & { vms: number })[];
  migrations: Omit<Migration, "agreement" | "twinCheck">[];
  truncated: boolean;
};

/**
 * All hosts with the number of their VMs, and the migrations that run or whose end is unknown. Reads
 * one partition of the index for each list and one query of keys for each host: no VM is read.
 */
export async function readFleetOverview(): Promise<FleetOverview> {
  const { hosts, ...others } = await readHostsAndMigrations();
  const counts = await countVms(hosts.map(({ id }) => id));
  return { ...others, hosts: hosts.map((host) => ({ ...host, vms: counts.get(host.id) ?? 0 })) };
}

/** The same without the VMs: two queries for a small fleet. */
export async function readHostsAndMigrations() {
  const [hosts, migrations] = await Promise.all([
    readAll((page) => listHosts(page), HOSTS_MAX),
    readAll((page) => listMigrations({ status: ["running", "unknown"] }, page), MIGRATIONS_MAX),
  ]);
  return {
    hosts: hosts.items,
    migrations: migrations.items.map(({ agreement, twinCheck, ...migration }) => migration),
    truncated: hosts.truncated || migrations.truncated,
  };
}

async function countVms(hosts: readonly HostId[]): Promise<Map<HostId, number>> {
  const counts = new Map<HostId, number>();
  for (let place = 0; place < hosts.length; place += TOGETHER_MAX) {
    const some = hosts.slice(place, place + TOGETHER_MAX);
    await Promise.all(some.map(async (host) => counts.set(host, (await listVmsOn(host)).length)));
  }
  return counts;
}

/** Every page, up to a number of entries. */
async function readAll<T>(
  list: (page: Page) => Promise<Listed<T>>,
  itemsMax: number,
): Promise<{ items: T[]; truncated: boolean }> {
  const items: T[] = [];
  let after: string | undefined;
  do {
    const page = await list({ limit: Math.min(PAGE_MAX, itemsMax - items.length), after });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < itemsMax);
  return { items, truncated: after !== undefined };
}
