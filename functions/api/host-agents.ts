import * as z from "zod";
import { HostId } from "../../core/id.ts";
import { FoundGuests } from "../../core/protocol/found-guest.ts";
import { Host } from "../../core/protocol/host.ts";
import { issueJoinToken, revokeHostKey, rotateHostKey } from "../service/host-identity.ts";
import { listGuests } from "../service/list-guests.ts";
import { publicHost, readHeard } from "../store/hosts.ts";
import { IssuedJoinToken, JoinTokenRequest } from "./bodies/hosts.ts";
import { hostExamples } from "./examples/hosts.ts";
import { answer, body, createRoute, READ, refusals, routes, SEND, WRITE } from "./routing.ts";

const tags = ["Hosts"];
const byId = { params: z.strictObject({ id: HostId }) };

const guests = createRoute({
  method: "get",
  path: "/v1/hosts/{id}/guests",
  operationId: "listGuests",
  tags,
  summary: "List the QEMUs that run on a host",
  description:
    "Asks the host's agent, which finds them in /proc: whoever started them, with their monitors. " +
    "Changes nothing.",
  request: byId,
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

const joinToken = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/join-token",
  operationId: "issueJoinToken",
  tags,
  summary: "Issue a join token for a host's agent",
  description:
    "For an agent that has lost its key, or is to have another one. The token is in this answer only, " +
    "is used once, and takes the place of one that was issued before. The present key is accepted " +
    "until an agent has joined by the token.",
  request: { ...byId, ...body(JoinTokenRequest, hostExamples.joinTokenRequest) },
  responses: {
    201: answer("The join token", IssuedJoinToken, hostExamples.joinToken),
    ...refusals(SEND, "host-not-found", "host-retiring", "host-retired", "host-without-key"),
  },
});

const rotate = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/rotate-key",
  operationId: "rotateHostKey",
  tags,
  summary: "Let a host's agent replace its key",
  description:
    "At its next heartbeat the agent makes itself another key, which its present one endorses. " +
    "`rotateKey` of the host is gone when it has.",
  request: byId,
  responses: {
    202: answer("The host", Host, hostExamples.rotating),
    ...refusals(WRITE, "host-not-found", "host-retiring", "host-retired", "host-without-key"),
  },
});

const revoke = createRoute({
  method: "post",
  path: "/v1/hosts/{id}/revoke-key",
  operationId: "revokeHostKey",
  tags,
  summary: "Revoke the key of a host's agent",
  description:
    "Nothing that is signed with the key is accepted from then on, and a join token that was not used " +
    "is worth nothing. Guests run on. Another agent joins by a new join token.",
  request: byId,
  responses: {
    200: answer("The host", Host, hostExamples.changed),
    ...refusals(WRITE, "host-not-found"),
  },
});

/** What concerns the agent of a host. */
export const hostAgents = routes()
  .openapi(guests, async (context) =>
    context.json(await listGuests(context.req.valid("param").id), 200),
  )
  .openapi(joinToken, async (context) => {
    const { seconds } = context.req.valid("json");
    return context.json(await issueJoinToken(context.req.valid("param").id, seconds), 201);
  })
  .openapi(rotate, async (context) => {
    const host = await rotateHostKey(context.req.valid("param").id);
    return context.json(publicHost(await readHeard(host)), 202);
  })
  .openapi(revoke, async (context) => {
    const host = await revokeHostKey(context.req.valid("param").id);
    return context.json(publicHost(await readHeard(host)), 200);
  });
