import * as z from "zod";
import type { TenantCounts } from "../../core/plan/admission.ts";
import type { Tenant } from "../../core/tenant.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { keys } from "./keys.ts";
import { type Listed, type Page, pageOf } from "./page.ts";
import { getItem, getItems, updateItem } from "./table.ts";

const Ids = z.set(z.string()).default(new Set<string>());

/** A tenant that nobody has limited has no name here: admissions made the item. */
const StoredTenant = z.object({
  gsi1sk: TenantName.optional(),
  migrationsAtOnce: z.int().positive().optional(),
  transferring: Ids,
  preparing: Ids,
});
type StoredTenant = z.infer<typeof StoredTenant>;

export async function readTenant(name: TenantName): Promise<StoredTenant> {
  return StoredTenant.parse((await getItem(keys.tenant(name))) ?? {});
}

/** A tenant is whatever VMs name: there is none that does not exist. */
export async function findTenant(name: TenantName): Promise<Tenant> {
  return toTenant(name, await readTenant(name));
}

/** What its limit leaves; undefined for a VM without a tenant. */
export async function readTenantCounts(
  name: TenantName | undefined,
): Promise<TenantCounts | undefined> {
  return name === undefined ? undefined : tenantCounts(await getItem(keys.tenant(name)));
}

export function tenantCounts(item: unknown): TenantCounts {
  const { migrationsAtOnce: limit, transferring, preparing } = StoredTenant.parse(item ?? {});
  return { limit, transferring: transferring.size, preparing: preparing.size };
}

/** Limits of those of these tenants that have one. */
export async function readTenantLimits(
  names: ReadonlySet<TenantName>,
): Promise<Record<TenantName, number>> {
  const all = [...names];
  const limits: Record<TenantName, number> = {};
  for (let place = 0; place < all.length; place += NAMES_PER_READ) {
    const part = all.slice(place, place + NAMES_PER_READ);
    for (const item of await getItems(part.map(keys.tenant))) {
      const { gsi1sk: name, migrationsAtOnce: limit } = StoredTenant.parse(item);
      if (name !== undefined && limit !== undefined) limits[name] = limit;
    }
  }
  return limits;
}

/** What one batch takes. */
const NAMES_PER_READ = 100;

/** Those that have a limit, by name. */
export function listTenants(page: Page): Promise<Listed<Tenant>> {
  return pageOf({
    partitions: ["TENANTS"],
    keyOf: keys.tenant,
    read: (item) => {
      const tenant = StoredTenant.parse(item);
      return toTenant(TenantName.parse(tenant.gsi1sk), tenant);
    },
    page,
  });
}

/** Sets or removes a limit. Migrations that hold more than the new one keep what they have. */
export async function writeTenantLimit(name: TenantName, limit: number | null): Promise<Tenant> {
  const key = keys.tenant(name);
  const item =
    limit === null
      ? await updateItem({ key, update: "REMOVE #migrationsAtOnce, #gsi1pk, #gsi1sk" })
      : await updateItem({
          key,
          update: "SET #migrationsAtOnce = :limit, #gsi1pk = :list, #gsi1sk = :name",
          values: { ":limit": limit, ":list": "TENANTS", ":name": name },
        });
  return toTenant(name, StoredTenant.parse(item));
}

function toTenant(name: TenantName, stored: StoredTenant): Tenant {
  const { migrationsAtOnce, transferring, preparing } = stored;
  return {
    name,
    ...(migrationsAtOnce === undefined ? {} : { migrationsAtOnce }),
    transferring: transferring.size,
    preparing: preparing.size,
  };
}
