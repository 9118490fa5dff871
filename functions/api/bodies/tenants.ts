import { Tenant } from "../../../core/tenant.ts";
import { page } from "./page.ts";

export const TenantPage = page(Tenant);
