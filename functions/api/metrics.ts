import * as z from "zod";
import { metricsText } from "../service/read-metrics.ts";
import { createRoute, READ, refusals, routes } from "./routing.ts";

const MEDIA_TYPE = "application/openmetrics-text";
const EXAMPLE = `# TYPE switchyard_hosts gauge
# HELP switchyard_hosts Hosts by state
switchyard_hosts{state="active"} 2
# EOF
`;

const get = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "getMetrics",
  tags: ["API"],
  summary: "Show the metrics of the fleet as OpenMetrics text",
  description:
    "For Prometheus: gauges are read from the table at each request; counters and histograms are " +
    "those of all migrations that have ended. No label has the id of a VM or a migration.",
  responses: {
    200: {
      description: "The metrics",
      content: { [MEDIA_TYPE]: { schema: z.string(), example: EXAMPLE } },
    },
    ...refusals(READ),
  },
});

export const metrics = routes().openapi(get, async (context) =>
  context.body(await metricsText(), 200, {
    "content-type": `${MEDIA_TYPE}; version=1.0.0; charset=utf-8`,
  }),
);
