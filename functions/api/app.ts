import { Hono } from "hono";
import { OPERATOR_BODY_BYTES_MAX } from "../../core/size-limits.ts";
import { limitBody, requireJson } from "../http/body.ts";
import { answerNoRoute } from "../http/no-route.ts";
import { answerError } from "../http/problem.ts";
import { audit, auditLog } from "./audit.ts";
import { authorize } from "./caller.ts";
import { definitions } from "./definitions.ts";
import { evacuations } from "./evacuations.ts";
import { events } from "./events.ts";
import { fleet } from "./fleet.ts";
import { health } from "./health.ts";
import { hostAgents } from "./host-agents.ts";
import { hosts } from "./hosts.ts";
import { metrics } from "./metrics.ts";
import { migrations } from "./migrations.ts";
import { documentApi, getDocument } from "./openapi.ts";
import { policies } from "./policies.ts";
import { routes } from "./routing.ts";
import { schedules } from "./schedules.ts";
import { tenants } from "./tenants.ts";
import { vmDevices } from "./vm-devices.ts";
import { vms } from "./vms.ts";
import { webhooks } from "./webhooks.ts";

const base = new Hono();
base.onError(answerError);
base.notFound(answerNoRoute(base));
base.use(audit, authorize, limitBody(OPERATOR_BODY_BYTES_MAX), requireJson);

/** The API for operators. */
export const app = base
  .route("/", health)
  .route("/", fleet)
  .route("/", hostAgents)
  .route("/", hosts)
  .route("/", vms)
  .route("/", vmDevices)
  .route("/", tenants)
  .route("/", definitions)
  .route("/", migrations)
  .route("/", policies)
  .route("/", evacuations)
  .route("/", schedules)
  .route("/", events)
  .route("/", webhooks)
  .route("/", auditLog)
  .route("/", metrics)
  .route(
    "/",
    routes().openapi(getDocument, (context) => context.json(openApiDocument(), 200)),
  );

/** What the typed client is made from. */
export type Routes = typeof app;

/** The OpenAPI document of the API; docs/reference/openapi.json is a copy. */
export function openApiDocument() {
  return documentApi(base.routes.map(({ path }) => path));
}
