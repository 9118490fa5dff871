import { Problem } from "../http/problem.ts";
import { log } from "../runtime/log.ts";
import { findTableFault } from "../store/table-health.ts";
import { Health } from "./bodies/api.ts";
import { answer, createRoute, refusals, routes } from "./routing.ts";

const get = createRoute({
  method: "get",
  path: "/v1/health",
  operationId: "getHealth",
  tags: ["API"],
  summary: "Report whether the API works",
  description:
    "Writes a small item into the table and reads it; a failure is answered with the part that " +
    "fails. Needs no token.",
  security: [],
  responses: {
    200: answer("The table can be written and read", Health, { status: "ok" }),
    ...refusals(["internal"], "table-unreachable"),
  },
});

export const health = routes().openapi(get, async (context) => {
  const fault = await findTableFault();
  if (fault === undefined) return context.json({ status: "ok" } as const, 200);
  log().error({ err: fault.error }, "the table is out of order");
  const verb = fault.part === "write" ? "written" : "read";
  const detail = `The table cannot be ${verb}; the control plane's log has the reason`;
  throw new Problem("table-unreachable", detail, { part: `table.${fault.part}` });
});
