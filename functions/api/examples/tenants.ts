import type * as z from "zod";
import type { Tenant } from "../../../core/tenant.ts";

export const tenantExample: z.input<typeof Tenant> = {
  name: "shop",
  migrationsAtOnce: 2,
  transferring: 1,
  preparing: 0,
};
