import type { Context } from "hono";
import { Hono } from "hono";
import type { z } from "zod";
import type { HostId } from "../../core/id.ts";
import { EventBatch } from "../../core/protocol/event.ts";
import { Heartbeat, type InstanceId, Registration } from "../../core/protocol/host.ts";
import { AGENT_BODY_BYTES_MAX } from "../../core/size-limits.ts";
import { limitBody, requireJson } from "../http/body.ts";
import { invalid } from "../http/invalid.ts";
import { answerNoRoute } from "../http/no-route.ts";
import { answerError, Problem } from "../http/problem.ts";
import { bearerMatches, hashSecret } from "../runtime/auth.ts";
import { findHost, recordHeartbeat, registerHost, type StoredHost } from "../store/hosts.ts";
import { acceptBatch } from "./accept-batch.ts";
import { applyForgottenGuests } from "./forgotten-guests.ts";

/** The largest time value of a Date (ECMAScript, "Time Values and Time Range"). */
const AT_MS_MAX = 8.64e15;

/** The agents' API. A request names the host in its body and proves it with the host's key. */
export const app = new Hono();
app.onError(answerError);
app.notFound(answerNoRoute(app));
app.use(limitBody(AGENT_BODY_BYTES_MAX), requireJson);

app.post("/agent/v1/register", async (context) => {
  const registration = await read(context, Registration);
  const { host } = registration;
  const at = new Date().toISOString();
  const known = await authenticate(context, host);
  await applyForgottenGuests(registration);
  await registerHost(registration);
  return context.json({ host, queueUrl: known.queueUrl, acceptedSeq: known.lastSeq, at });
});

app.post("/agent/v1/heartbeat", async (context) => {
  const { host, instance } = await read(context, Heartbeat);
  requireNewest(await authenticate(context, host), instance);
  await recordHeartbeat(host);
  return context.json({ host });
});

app.post("/agent/v1/events", async (context) => {
  const { host, events, instance } = await read(context, EventBatch);
  const known = await authenticate(context, host);
  requireNewest(known, instance);
  const late = events.find(({ atMs }) => atMs > AT_MS_MAX);
  if (late !== undefined) {
    throw new Problem("invalid", `Expected \`atMs\` of event ${late.seq} to be a date`);
  }
  const accepted = await acceptBatch(known, events);
  if ("acceptedSeq" in accepted) return context.json(accepted);
  const detail = `Expected the next event of ${host} to be number ${accepted.expectedSeq}`;
  throw new Problem("event-gap", detail, accepted);
});

async function read<T>(context: Context, schema: z.ZodType<T>): Promise<T> {
  const body: unknown = await context.req.json().catch(() => {
    throw new Problem("malformed-json", "The body is not valid JSON");
  });
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw invalid(parsed.error.issues, body);
  return parsed.data;
}

/**
 * Of two agents with one host's key, only the one that registered last is heard: the other one's
 * answers would mix with its answers. An agent that names no instance is of an earlier version.
 *
 * @throws Problem superseded
 */
function requireNewest({ id, instance: newest }: StoredHost, instance?: InstanceId): void {
  if (instance === undefined || newest === undefined || instance === newest) return;
  const detail =
    `Another agent has registered for host ${id} since (instance ${newest}, this one is ` +
    `${instance}): stop one of them, or add a host of its own for it`;
  throw new Problem("superseded", detail);
}

/** An unknown host, and one that was retired, gets the same answer as a wrong key, after the same time. */
async function authenticate(context: Context, id: HostId): Promise<StoredHost> {
  const host = await findHost(id);
  const hash = host?.keyHash ?? hashSecret("");
  const isKnown = bearerMatches(context.req.header("authorization"), hash);
  if (isKnown && host !== undefined && host.state !== "retired") return host;
  throw new Problem(
    "unauthorized",
    "The host's key is missing or wrong: POST /v1/hosts showed it once",
  );
}
