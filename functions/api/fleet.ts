import { createRoute, z } from "@hono/zod-openapi";
import { etag } from "hono/etag";
import { readFleetOverview } from "../service/read-fleet-overview.ts";
import { Fleet } from "./components.ts";
import { fleetExample } from "./examples/fleet.ts";
import { answer, READ, refusals, routes } from "./routing.ts";

const get = createRoute({
  method: "get",
  path: "/v1/fleet",
  operationId: "getFleet",
  tags: ["Hosts"],
  summary: "Show hosts and running migrations in one snapshot",
  description:
    "All hosts with the number of their VMs, without their facts, and every migration that runs or " +
    "whose end is `unknown`, without its agreement and twin check. For displays that are kept up to " +
    "date: send the `etag` of the answer before as `if-none-match`; 304 says that nothing has changed.",
  request: {
    headers: z.object({
      "if-none-match": z
        .string()
        .max(200)
        .optional()
        .openapi({ description: "`etag` of an earlier answer" }),
    }),
  },
  responses: {
    200: {
      ...answer("The snapshot", Fleet, fleetExample),
      headers: z.object({ etag: z.string().openapi({ description: "Names this content" }) }),
    },
    304: { description: "Nothing has changed since the answer with this `etag`" },
    ...refusals(READ),
  },
});

const app = routes();
app.use("/v1/fleet", etag({ weak: true }));
export const fleet = app.openapi(get, async (context) =>
  context.json(await readFleetOverview(), 200),
);
