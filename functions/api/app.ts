import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { OPERATOR_BODY_BYTES_MAX } from "../../core/size-limits.ts";
import { limitBody, requireJson } from "../http/body.ts";
import { answerNoRoute } from "../http/no-route.ts";
import { answerError, Problem } from "../http/problem.ts";
import { jwtSubject } from "../runtime/api-gateway.ts";
import { bearerMatches } from "../runtime/auth.ts";
import { config } from "../runtime/config.ts";
import { definitions } from "./definitions.ts";
import { evacuations } from "./evacuations.ts";
import { fleet } from "./fleet.ts";
import { health } from "./health.ts";
import { hosts } from "./hosts.ts";
import { metrics } from "./metrics.ts";
import { migrations } from "./migrations.ts";
import { documentApi, getDocument } from "./openapi.ts";
import { schedules } from "./schedules.ts";
import { vmDevices } from "./vm-devices.ts";
import { vms } from "./vms.ts";

/** Paths that need no token: they answer nothing about the fleet. */
const PUBLIC_PATHS = new Set(["/v1/health", "/v1/openapi.json"]);

const authenticate: MiddlewareHandler = async (context, next) => {
  if (!PUBLIC_PATHS.has(context.req.path) && !isOperator(context)) {
    throw new Problem("unauthorized", "The operator's token is missing or wrong");
  }
  await next();
};

/** By the one operator token where there is one, otherwise by what API Gateway has checked. */
function isOperator({ req, env }: Context): boolean {
  const { operatorTokenSha256 } = config();
  if (operatorTokenSha256 === undefined) return jwtSubject(env) !== undefined;
  return bearerMatches(req.header("authorization"), operatorTokenSha256);
}

const base = new OpenAPIHono();
base.onError(answerError);
base.notFound(answerNoRoute(base));
base.use(authenticate, limitBody(OPERATOR_BODY_BYTES_MAX), requireJson);

/** The API for operators. */
export const app = base
  .route("/", health)
  .route("/", fleet)
  .route("/", hosts)
  .route("/", vms)
  .route("/", vmDevices)
  .route("/", definitions)
  .route("/", migrations)
  .route("/", evacuations)
  .route("/", schedules)
  .route("/", metrics)
  .openapi(getDocument, (context) => context.json(openApiDocument(), 200));

/** What the typed client is made from. */
export type Routes = typeof app;

/** The OpenAPI document of the API; docs/reference/openapi.json is a copy. */
export function openApiDocument() {
  return documentApi(base);
}
