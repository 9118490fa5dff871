import { createRoute } from "@hono/zod-openapi";
import { Problem } from "../http/problem.ts";
import { tableAnswers } from "../store/table.ts";
import { Health } from "./components.ts";
import { answer, refusals, routes } from "./routing.ts";

const get = createRoute({
  method: "get",
  path: "/v1/health",
  operationId: "getHealth",
  tags: ["API"],
  summary: "Report whether the API works",
  description: "Reads the table. Needs no token.",
  security: [],
  responses: {
    200: answer("The table can be reached", Health, { status: "ok" }),
    ...refusals(["internal"], "table-unreachable"),
  },
});

export const health = routes().openapi(get, async (context) => {
  if (await tableAnswers()) return context.json({ status: "ok" } as const, 200);
  throw new Problem("table-unreachable", "The table cannot be reached");
});
