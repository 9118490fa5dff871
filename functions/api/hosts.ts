import { createRoute, z } from "@hono/zod-openapi";
import { HostId } from "../../core/id.ts";
import { Host } from "../../core/protocol/host.ts";
import { Problem } from "../http/problem.ts";
import { findHostWithFacts, listHosts } from "../store/hosts.ts";
import { addHost } from "./add-host.ts";
import { answer, body, limit, pick, routes } from "./routing.ts";

const NewHost = z.strictObject({
  id: HostId,
  slotsOut: Host.shape.slotsOut.default(2),
  slotsIn: Host.shape.slotsIn.default(2),
});

const create = createRoute({
  method: "post",
  path: "/v1/hosts",
  summary: "Adds a host; its key is shown this once",
  request: body(NewHost),
  responses: {
    201: answer("The host and its agent's key", z.strictObject({ host: Host, key: z.string() })),
    ...pick(401, 409, 413, 422, 503),
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/hosts",
  summary: "Lists hosts by name, without their facts",
  request: { query: z.strictObject({ limit, after: HostId.optional() }) },
  responses: {
    200: answer(
      "A page of hosts",
      z.strictObject({ items: z.array(Host), next: z.string().optional() }),
    ),
    ...pick(401, 422),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/hosts/{id}",
  summary: "Shows a host and what its agent says of it",
  request: { params: z.strictObject({ id: HostId }) },
  responses: { 200: answer("The host", Host), ...pick(401, 404, 422) },
});

export const hosts = routes()
  .openapi(create, async (context) => context.json(await addHost(context.req.valid("json")), 201))
  .openapi(list, async (context) => context.json(await listHosts(context.req.valid("query")), 200))
  .openapi(get, async (context) => {
    const { id } = context.req.valid("param");
    const host = await findHostWithFacts(id);
    if (host === undefined) throw new Problem(404, "host-not-found", `There is no host ${id}`);
    return context.json(host, 200);
  });
