import { createRoute, z } from "@hono/zod-openapi";
import { Problem } from "../http/problem.ts";
import { tableAnswers } from "../store/table.ts";
import { answer, pick, routes } from "./routing.ts";

const get = createRoute({
  method: "get",
  path: "/v1/health",
  summary: "Says whether the table can be reached; needs no token",
  security: [],
  responses: {
    200: answer("It works", z.strictObject({ status: z.literal("ok") })),
    ...pick(503),
  },
});

export const health = routes().openapi(get, async (context) => {
  if (await tableAnswers()) return context.json({ status: "ok" } as const, 200);
  throw new Problem(503, "table-unreachable", "The table cannot be reached");
});
