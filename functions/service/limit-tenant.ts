import type { Tenant, TenantChange } from "../../core/tenant.ts";
import type { TenantName } from "../../core/vm-rules.ts";
import { writeTenantLimit } from "../store/tenants.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { byInvocation } from "./wake-by-invocation.ts";

/**
 * Limits the migrations of a tenant's VMs. Migrations under way keep their slots, even where they are
 * more than the new limit. A higher limit admits migrations that wait.
 */
export async function limitTenant(
  name: TenantName,
  { migrationsAtOnce }: TenantChange,
): Promise<Tenant> {
  const tenant = await writeTenantLimit(name, migrationsAtOnce);
  await admitWaiting({ hosts: [], tenants: [name] }, byInvocation);
  return tenant;
}
