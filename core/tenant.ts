import * as z from "zod";
import { TenantName } from "./vm-rules.ts";

/** What an operator allows a tenant. */
export const TenantChange = z.strictObject({
  /**
   * Migrations of its VMs that may send at once, over all hosts; as many more may be prepared. `null`:
   * as many as the hosts allow.
   */
  migrationsAtOnce: z.int().min(1).max(1_000).nullable(),
});
export type TenantChange = z.infer<typeof TenantChange>;

/** A tenant with its limit, and the migrations of its VMs. */
export const Tenant = z.strictObject({
  name: TenantName,
  /** Absent: as many as the hosts allow. */
  migrationsAtOnce: z.int().positive().optional(),
  /** Those that have transfer slots. */
  transferring: z.int().nonnegative(),
  /** Those that are prepared ahead, or are being prepared, and have no slots yet. */
  preparing: z.int().nonnegative(),
});
export type Tenant = z.infer<typeof Tenant>;
