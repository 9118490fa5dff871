import { createRoute, z } from "@hono/zod-openapi";
import { HostId } from "../../core/id.ts";
import { FoundGuests } from "../../core/protocol/found-guest.ts";
import { Host } from "../../core/protocol/host.ts";
import { Problem } from "../http/problem.ts";
import { addHost } from "../service/add-host.ts";
import { listGuests } from "../service/list-guests.ts";
import { findHostWithFacts, listHosts } from "../store/hosts.ts";
import { CreatedHost, HostPage, NewHost } from "./components.ts";
import { hostExamples } from "./examples/hosts.ts";
import { answer, body, pageQuery, READ, refusals, routes, SEND } from "./routing.ts";

const tags = ["Hosts"];

const create = createRoute({
  method: "post",
  path: "/v1/hosts",
  operationId: "createHost",
  tags,
  summary: "Add a host",
  description:
    "Creates the host, its command queue and the key of its agent. The key is in this answer only; " +
    "the table holds its hash. The host is `joining` until its agent has registered.",
  request: body(NewHost, hostExamples.newHost),
  responses: {
    201: answer("The host, and the key of its agent", CreatedHost, hostExamples.created),
    ...refusals(SEND, "host-exists", "host-unreachable"),
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/hosts",
  operationId: "listHosts",
  tags,
  summary: "List hosts by name",
  description: "Leaves out the facts of each host: `getHost` has them.",
  request: { query: z.strictObject(pageQuery(HostId)) },
  responses: {
    200: answer("A page of hosts", HostPage, hostExamples.page),
    ...refusals(READ),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/hosts/{id}",
  operationId: "getHost",
  tags,
  summary: "Show a host",
  description: "With the facts that its agent reported when it registered.",
  request: { params: z.strictObject({ id: HostId }) },
  responses: {
    200: answer("The host", Host, hostExamples.host),
    ...refusals(READ, "host-not-found"),
  },
});

const guests = createRoute({
  method: "get",
  path: "/v1/hosts/{id}/guests",
  operationId: "listGuests",
  tags,
  summary: "List the QEMUs that run on a host",
  description:
    "Asks the host's agent, which finds them in /proc: whoever started them, with their monitors. " +
    "Changes nothing.",
  request: { params: z.strictObject({ id: HostId }) },
  responses: {
    200: answer("The QEMUs, oldest first", FoundGuests, hostExamples.guests),
    ...refusals(
      READ,
      "host-not-found",
      "host-not-active",
      "host-refused",
      "host-silent",
      "host-unreachable",
    ),
  },
});

export const hosts = routes()
  .openapi(guests, async (context) =>
    context.json(await listGuests(context.req.valid("param").id), 200),
  )
  .openapi(create, async (context) => context.json(await addHost(context.req.valid("json")), 201))
  .openapi(list, async (context) => context.json(await listHosts(context.req.valid("query")), 200))
  .openapi(get, async (context) => {
    const { id } = context.req.valid("param");
    const host = await findHostWithFacts(id);
    if (host === undefined) throw new Problem("host-not-found", `There is no host ${id}`);
    return context.json(host, 200);
  });
