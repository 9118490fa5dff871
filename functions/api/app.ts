import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { limitBody, requireJson } from "../http/body.ts";
import { answerError, answerNotFound, Problem } from "../http/problem.ts";
import { bearerMatches } from "../runtime/auth.ts";
import { config } from "../runtime/config.ts";
import { health } from "./health.ts";
import { hosts } from "./hosts.ts";
import { migrations } from "./migrations.ts";
import { vms } from "./vms.ts";

/** Paths that say nothing of the fleet. */
const open = new Set(["/v1/health", "/v1/openapi.json"]);

const authenticate: MiddlewareHandler = async (context, next) => {
  const { operatorTokenSha256 } = config();
  const header = context.req.header("authorization");
  if (!open.has(context.req.path) && !bearerMatches(header, operatorTokenSha256)) {
    throw new Problem(401, "unauthorized", "The operator's token is missing or wrong");
  }
  await next();
};

const base = new OpenAPIHono();
base.onError(answerError);
base.notFound(answerNotFound);
base.use(authenticate, limitBody, requireJson);

/** What operators call. */
export const app = base.route("/", health).route("/", hosts).route("/", vms).route("/", migrations);

app.openAPIRegistry.registerComponent("securitySchemes", "operator", {
  type: "http",
  scheme: "bearer",
});
app.doc31("/v1/openapi.json", {
  openapi: "3.1.0",
  info: { title: "Switchyard", version: "1" },
  security: [{ operator: [] }],
});

export type Routes = typeof app;
