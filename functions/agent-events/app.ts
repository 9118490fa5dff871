import type { Context } from "hono";
import { Hono } from "hono";
import type * as z from "zod";
import { EventBatch } from "../../core/protocol/event.ts";
import { Heartbeat, type InstanceId, Registration } from "../../core/protocol/host.ts";
import {
  type Checked,
  CheckRequest,
  type HeartbeatAnswer,
  JoinRequest,
  type QueueAccess,
  type Registered,
} from "../../core/protocol/identity.ts";
import { keyIdOf } from "../../core/protocol/signature.ts";
import { AGENT_BODY_BYTES_MAX } from "../../core/size-limits.ts";
import { limitBody, requireJson } from "../http/body.ts";
import { invalid } from "../http/invalid.ts";
import { answerNoRoute } from "../http/no-route.ts";
import { answerError, Problem } from "../http/problem.ts";
import { commandKeys } from "../runtime/command-signer.ts";
import { config } from "../runtime/config.ts";
import { queueAccessOf } from "../runtime/queue-access.ts";
import { wakeForRoom } from "../service/wake-listeners.ts";
import {
  findHost,
  recordHeartbeat,
  recordRequest,
  registerHost,
  type StoredHost,
} from "../store/hosts.ts";
import { acceptBatch } from "./accept-batch.ts";
import { authenticate, replayed, requireNewSequence } from "./authenticate.ts";
import { continueEvacuation } from "./evacuations.ts";
import { applyForgottenGuests } from "./forgotten-guests.ts";
import { join } from "./join.ts";

/** The largest time value of a Date (ECMAScript, "Time Values and Time Range"). */
const AT_MS_MAX = 8.64e15;

/** The agents' API. A request names the host in its body and is signed with that host's key. */
export const app = new Hono();
app.onError(answerError);
app.notFound(answerNoRoute(app));
app.use(limitBody(AGENT_BODY_BYTES_MAX), requireJson);

app.post("/agent/v1/join", async (context) => {
  const request = await read(context, JoinRequest);
  await join(context, request);
  return context.json({ host: request.host, keyId: keyIdOf(request.publicKey) });
});

app.post("/agent/v1/register", async (context) => {
  const registration = await read(context, Registration);
  const at = new Date().toISOString();
  const by = await authenticate(context, registration.host);
  requireNewSequence(by);
  await applyForgottenGuests(registration);
  if (!(await registerHost(registration, by.sequence))) throw replayed(by.host, by.sequence);
  // A host that is new, or has other facts, may take what no other one does.
  await wakeForRoom(continueEvacuation);
  const { id: host, queueUrl, lastSeq: acceptedSeq } = by.host;
  const answer = { host, queueUrl, acceptedSeq, at, commandKeys: commandKeys() };
  return context.json({ ...answer, ...queueAccess(by.host) } satisfies Registered);
});

app.post("/agent/v1/heartbeat", async (context) => {
  const { host, instance } = await read(context, Heartbeat);
  const by = await authenticate(context, host, findHost);
  requireNewest(by.host, instance);
  const { sequence: requestSeq, clockOffsetMs } = by;
  if (!(await recordHeartbeat(host, { requestSeq, clockOffsetMs }))) {
    throw replayed(by.host, requestSeq);
  }
  const { rotateKey } = by.host;
  const answer = { host, commandKeys: commandKeys(), ...queueAccess(by.host) };
  return context.json({ ...answer, ...(rotateKey && { rotateKey }) } satisfies HeartbeatAnswer);
});

app.post("/agent/v1/events", async (context) => {
  const { host, events, instance } = await read(context, EventBatch);
  const by = await authenticate(context, host);
  requireNewest(by.host, instance);
  // Without events it is a question, which changes nothing and may be repeated.
  if (events.length > 0) requireNewSequence(by);
  const late = events.find(({ atMs }) => atMs > AT_MS_MAX);
  if (late !== undefined) {
    throw new Problem("invalid", `Expected \`atMs\` of event ${late.seq} to be a date`);
  }
  const accepted = await acceptBatch(by, events);
  if ("acceptedSeq" in accepted) return context.json(accepted);
  const detail = `Expected the next event of ${host} to be number ${accepted.expectedSeq}`;
  throw new Problem("event-gap", detail, accepted);
});

/** For people who set a host up: whose key it is, and where its queue is. */
app.post("/agent/v1/check", async (context) => {
  const { host } = await read(context, CheckRequest);
  const by = await authenticate(context, host);
  requireNewSequence(by);
  // The answer may hold a secret: who has only seen the request does not get it.
  if (!(await recordRequest(host, by.sequence))) throw replayed(by.host, by.sequence);
  const { queueUrl } = by.host;
  const answer = { host, queueUrl, at: new Date().toISOString() };
  return context.json({ ...answer, ...queueAccess(by.host) } satisfies Checked);
});

/** Where the control plane serves the queues itself, hosts have no other access key. */
function queueAccess({ id, publicKey }: StoredHost): { queueAccess?: QueueAccess } {
  const { hostQueueSecret } = config();
  if (hostQueueSecret === undefined || publicKey === undefined) return {};
  return { queueAccess: queueAccessOf(hostQueueSecret, id, keyIdOf(publicKey)) };
}

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
