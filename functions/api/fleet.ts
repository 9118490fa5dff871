import { createHash } from "node:crypto";
import * as z from "zod";
import { type FleetOverview, readFleetOverview } from "../service/read-fleet-overview.ts";
import { Fleet } from "./bodies/fleet.ts";
import { fleetExample } from "./examples/fleet.ts";
import { answer, createRoute, READ, refusals, routes } from "./routing.ts";

const get = createRoute({
  method: "get",
  path: "/v1/fleet",
  operationId: "getFleet",
  tags: ["Hosts"],
  summary: "Show hosts and running migrations in one snapshot",
  description:
    "All hosts with the number of their VMs, without their facts, and every migration that runs or " +
    "whose end is `unknown`, without its agreement and twin check. For displays that are kept up to " +
    "date: send the `etag` of the answer before as `if-none-match`; 304 says that nothing has changed " +
    "but the times at which hosts were heard.",
  request: {
    headers: z.object({
      "if-none-match": z
        .string()
        .max(200)
        .optional()
        .meta({ description: "`etag` of an earlier answer" }),
    }),
  },
  responses: {
    200: {
      ...answer("The snapshot", Fleet, fleetExample),
      headers: z.object({ etag: z.string().meta({ description: "Names this content" }) }),
    },
    304: { description: "Nothing has changed since the answer with this `etag`" },
    ...refusals(READ),
  },
});

export const fleet = routes().openapi(get, async (context) => {
  const overview = await readFleetOverview();
  const etag = etagOf(overview);
  if (context.req.header("if-none-match") === etag) return context.body(null, 304, { etag });
  return context.json(overview, 200, { etag });
});

/** Weak: a heartbeat alone makes no other fleet. Silence does, and is in the host's state. */
function etagOf({ hosts, ...rest }: FleetOverview): string {
  const lasting = hosts.map(({ heardAt, lastEventAt, clockOffsetMs, ...host }) => host);
  const text = JSON.stringify([lasting, rest]);
  return `W/"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}
