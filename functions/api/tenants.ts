import * as z from "zod";
import { Tenant, TenantChange } from "../../core/tenant.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { limitTenant } from "../service/limit-tenant.ts";
import { findTenant, listTenants } from "../store/tenants.ts";
import { TenantPage } from "./bodies/tenants.ts";
import { tenantExample as example } from "./examples/tenants.ts";
import { answer, body, createRoute, pageQuery, READ, refusals, routes, SEND } from "./routing.ts";

const tags = ["Tenants"];
const byName = { params: z.strictObject({ name: TenantName }) };

const list = createRoute({
  method: "get",
  path: "/v1/tenants",
  operationId: "listTenants",
  tags,
  summary: "List the tenants that have a limit",
  request: { query: z.strictObject(pageQuery(TenantName)) },
  responses: {
    200: answer("A page of tenants by name", TenantPage, { items: [example] }),
    ...refusals(READ),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/tenants/{name}",
  operationId: "getTenant",
  tags,
  summary: "Show a tenant's limit and migrations",
  description: "A name that no VM has is a tenant without a limit and without migrations.",
  request: byName,
  responses: { 200: answer("The tenant", Tenant, example), ...refusals(READ) },
});

const change = createRoute({
  method: "patch",
  path: "/v1/tenants/{name}",
  operationId: "changeTenant",
  tags,
  summary: "Limit how many migrations a tenant may have at once",
  description:
    "Over all hosts, for single migrations and evacuations alike. Those that are under way keep what " +
    "they have.",
  request: { ...byName, ...body(TenantChange, { migrationsAtOnce: 2 }) },
  responses: { 200: answer("The tenant", Tenant, example), ...refusals(SEND) },
});

export const tenants = routes()
  .openapi(list, async (context) =>
    context.json(await listTenants(context.req.valid("query")), 200),
  )
  .openapi(get, async (context) =>
    context.json(await findTenant(context.req.valid("param").name), 200),
  )
  .openapi(change, async (context) => {
    const { name } = context.req.valid("param");
    return context.json(await limitTenant(name, context.req.valid("json")), 200);
  });
