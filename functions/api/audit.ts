import type { MiddlewareHandler } from "hono";
import * as z from "zod";
import { AuditCursor, AuditDay } from "../../core/audit.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../runtime/log.ts";
import { addAuditEntry, listAudit } from "../store/audit.ts";
import { operationOf } from "./access.ts";
import { AuditPage } from "./bodies/audit.ts";
import { callerOf } from "./caller.ts";
import { auditExamples } from "./examples/audit.ts";
import { answer, createRoute, pageQuery, READ, refusals, routes } from "./routing.ts";

/** They change nothing. */
const READING = new Set(["POST /v1/definitions/import", "POST /v1/policies/check"]);

/**
 * Keeps who has asked for which change, and the answer, also when that is a refusal. A caller that is
 * not known leaves no entry: anybody could fill the table. When the entry cannot be written, the change
 * was made all the same, and the log has the entry.
 */
export const audit: MiddlewareHandler = async (context, next) => {
  await next();
  const { req, res, error } = context;
  const caller = callerOf(context);
  const operation = operationOf(req);
  if (caller === undefined || operation === undefined) return;
  const isDryRun = req.query("dryRun") === "true";
  if (operation.method === "GET" || READING.has(operation.operation) || isDryRun) return;
  const entry = {
    at: new Date().toISOString(),
    who: caller.subject,
    operation: operation.operation,
    path: req.path,
    status: res.status,
    ...(error instanceof Problem ? { code: error.code } : {}),
  };
  try {
    await addAuditEntry(entry);
  } catch (failure) {
    log().error({ err: failure, entry }, "an audit entry could not be written");
  }
};

const list = createRoute({
  method: "get",
  path: "/v1/audit",
  operationId: "listAudit",
  tags: ["Audit"],
  summary: "List who changed what, newest first",
  description:
    "One day of UTC. An entry is kept for 400 days. Reads and dry runs leave none; a change that was " +
    "refused for want of a scope does.",
  request: {
    query: z.strictObject({
      ...pageQuery(AuditCursor),
      day: AuditDay.optional().meta({ param: { description: "Default: today" } }),
    }),
  },
  responses: {
    200: answer("A page of entries", AuditPage, auditExamples.page),
    ...refusals(READ),
  },
});

export const auditLog = routes().openapi(list, async (context) => {
  const { day = new Date().toISOString().slice(0, 10), ...page } = context.req.valid("query");
  return context.json(await listAudit(day, page), 200);
});
