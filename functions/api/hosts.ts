import * as z from "zod";
import { HostId } from "../../core/id.ts";
import { Host, HostChange } from "../../core/protocol/host.ts";
import { Problem } from "../http/problem.ts";
import { addHost } from "../service/add-host.ts";
import { setHost } from "../service/change-host.ts";
import { confirmDown } from "../service/confirm-down.ts";
import { cordonHost } from "../service/cordon-host.ts";
import { uncordonByPerson } from "../service/evacuation-actions.ts";
import { maintainHost, retireHost, returnHost } from "../service/host-lifecycle.ts";
import {
  findHostWithFacts,
  listHosts,
  publicHost,
  readHeard,
  type StoredHost,
} from "../store/hosts.ts";
import {
  ConfirmedDown,
  CreatedHost,
  HostPage,
  HostRequest,
  NewHost,
  UncordonedHost,
} from "./bodies/hosts.ts";
import { hostExamples } from "./examples/hosts.ts";
import {
  answer,
  body,
  createRoute,
  HOST_STATES,
  pageQuery,
  READ,
  refusals,
  routes,
  SEND,
  WRITE,
} from "./routing.ts";

const tags = ["Hosts"];

const create = createRoute({
  method: "post",
  path: "/v1/hosts",
  operationId: "createHost",
  tags,
  summary: "Add a host",
  description:
    "Creates the host, its command queue and a join token for its agent. The token is in this answer " +
    "only; the table holds its hash. The host is `joining` until its agent has registered.",
  request: body(NewHost, hostExamples.newHost),
  responses: {
    201: answer("The host, and a join token for its agent", CreatedHost, hostExamples.created),
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

const byId = { params: z.strictObject({ id: HostId }) };

const change = createRoute({
  method: "patch",
  path: "/v1/hosts/{id}",
  operationId: "changeHost",
  tags,
  summary: "Set labels, slots and link rates of a host",
  description:
    "What is absent stays; a label or a link rate is removed by `null`. Migrations keep the slots " +
    "that they have. Neither a registration nor an event of the agent changes these fields.",
  request: { ...byId, ...body(HostChange, hostExamples.change) },
  responses: {
    200: answer("The host", Host, hostExamples.changed),
    ...refusals(SEND, "host-not-found", "host-changed"),
  },
});

const cordon = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/cordon",
  operationId: "cordonHost",
  tags,
  summary: "Let no guest come to a host",
  description:
    "Adds a cordon of this owner, or replaces his message. No migration into the host is admitted and " +
    "no VM is started there until it has no cordon left; what is on its way arrives.",
  request: { ...byId, ...body(HostRequest, hostExamples.cordon) },
  responses: {
    200: answer("The host", Host, hostExamples.cordoned),
    ...refusals(SEND, "host-not-found", "host-changed", "host-retired", "too-many-cordons"),
  },
});

const uncordon = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/uncordon",
  operationId: "uncordonHost",
  tags,
  summary: "End all cordons of a host",
  description:
    "Ends the cordons of every owner, and answers whose they were. A host that nothing else closes " +
    "takes guests at once. An evacuation moves nothing more off it; without another host it is " +
    "cancelled.",
  request: { ...byId, ...body(HostRequest, hostExamples.uncordon) },
  responses: {
    200: answer("The host, and the cordons that it had", UncordonedHost, hostExamples.uncordoned),
    ...refusals(SEND, "host-not-found", "host-changed", "host-retired", "workflow-unavailable"),
  },
});

const maintain = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/maintenance",
  operationId: "maintainHost",
  tags,
  summary: "Bring an empty host into maintenance",
  description:
    "The host must have no guest, and no migration may be under way from or to it: an evacuation " +
    "empties it. Nothing comes to it until it is returned, however often its agent registers.",
  request: { ...byId, ...body(HostRequest, hostExamples.cordon) },
  responses: {
    200: answer("The host", Host, hostExamples.maintained),
    ...refusals(SEND, "host-not-found", "host-changed", "host-not-empty", ...HOST_STATES),
  },
});

const down = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/confirm-down",
  operationId: "confirmHostDown",
  tags,
  summary: "Confirm that a silent host is down",
  description:
    "Somebody has made sure that no QEMU runs on the host any more: its power is off. Its guests have " +
    "failed, and migrations from or to it decide by that instead of waiting for it. A guest that ran " +
    "there all the same could run twice. The word is void once the host's agent is heard again.",
  request: { ...byId, ...body(HostRequest, hostExamples.down) },
  responses: {
    200: answer(
      "The host, and what became of its guests",
      ConfirmedDown,
      hostExamples.confirmedDown,
    ),
    ...refusals(SEND, "host-not-found", "host-changed", "host-not-silent", "workflow-unavailable"),
  },
});

const bringBack = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/return",
  operationId: "returnHost",
  tags,
  summary: "End the maintenance of a host",
  description:
    "Also ends the cordons of evacuations that are over. Cordons of people stay: `uncordonHost` " +
    "ends them.",
  request: byId,
  responses: {
    200: answer("The host", Host, hostExamples.returned),
    ...refusals(WRITE, "host-not-found", "host-changed", ...HOST_STATES),
  },
});

const retire = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/retire",
  operationId: "retireHost",
  tags,
  summary: "Take a host out of the fleet",
  description:
    "The host must have no guest and no record of a VM. Its queue is removed and its agent refused. " +
    "Its record stays as `retired`; a new host may take its name.",
  request: { ...byId, ...body(HostRequest, hostExamples.cordon) },
  responses: {
    200: answer("The host", Host, hostExamples.retired),
    ...refusals(
      SEND,
      "host-not-found",
      "host-changed",
      "host-not-empty",
      "host-unreachable",
      ...HOST_STATES,
    ),
  },
});

export const hosts = routes()
  .openapi(create, async (context) => context.json(await addHost(context.req.valid("json")), 201))
  .openapi(list, async (context) => context.json(await listHosts(context.req.valid("query")), 200))
  .openapi(get, async (context) => {
    const { id } = context.req.valid("param");
    const host = await findHostWithFacts(id);
    if (host === undefined) throw new Problem("host-not-found", `There is no host ${id}`);
    return context.json(host, 200);
  })
  .openapi(change, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(await shown(await setHost(id, context.req.valid("json"))), 200);
  })
  .openapi(cordon, async (context) => {
    const by = { ...context.req.valid("json"), kind: "person" } as const;
    return context.json(await shown(await cordonHost(context.req.valid("param").id, by)), 200);
  })
  .openapi(uncordon, async (context) => {
    const { owner, message } = context.req.valid("json");
    const { id } = context.req.valid("param");
    const { host, cleared } = await uncordonByPerson(id, { author: owner, message });
    return context.json({ host: await shown(host), cleared: [...cleared] }, 200);
  })
  .openapi(maintain, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(await shown(await maintainHost(id, context.req.valid("json"))), 200);
  })
  .openapi(down, async (context) => {
    const { id } = context.req.valid("param");
    const { host, ...rest } = await confirmDown(id, context.req.valid("json"));
    return context.json({ host: publicHost(host), ...rest }, 200);
  })
  .openapi(bringBack, async (context) =>
    context.json(await shown(await returnHost(context.req.valid("param").id)), 200),
  )
  .openapi(retire, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(await shown(await retireHost(id, context.req.valid("json"))), 200);
  });

/** With what its heartbeats say. */
async function shown(host: StoredHost): Promise<Host> {
  return publicHost(await readHeard(host));
}
