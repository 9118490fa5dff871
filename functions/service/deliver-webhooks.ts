import { setTimeout as sleep } from "node:timers/promises";
import type { WebhookId } from "../../core/id.ts";
import { type DeliveryOutcome, observationsOfTry } from "../../core/observations.ts";
import { FAILING_MS_MAX, pauseMs, retryAfterMs } from "../../core/webhook/retry.ts";
import { cloudEvent, type DeliveryTry, type Webhook } from "../../core/webhook/webhook.ts";
import { config } from "../runtime/config.ts";
import { log } from "../runtime/log.ts";
import { type Posted, postWebhook } from "../runtime/post-webhook.ts";
import { listDue, moveDelivery, type StoredDelivery } from "../store/deliveries.ts";
import { addEvents } from "../store/fleet-events.ts";
import { readSecret, readWebhooks, type Secret, writeWebhooks } from "../store/webhooks.ts";
import { count } from "./count-observations.ts";
import { handOutEvents } from "./hand-out-events.ts";

/** Pause between two rounds: as long as something happens, the next one follows. */
const ROUND_MS = 5_000;
/** A try takes 15 s at most: after so long whoever has begun it is gone. */
const CLAIM_MS = 60_000;
/** Deliveries of one webhook at one time; while it fails, one after the other. */
const TOGETHER = 4;
const PER_ROUND = 40;
const PER_ROUND_FAILING = 2;
const CHANGES_MAX = 10;

export type Delivered = { delivered: number; failed: number };

/**
 * Hands new events to webhooks and tries what is due, in rounds, until nothing happens or the time is
 * over. All state is in the table: whoever is ended anywhere leaves everything to the next one.
 */
export async function deliverWebhooks(untilMs: number): Promise<Delivered> {
  const sum: Delivered = { delivered: 0, failed: 0 };
  for (;;) {
    const { webhooks } = await readWebhooks();
    if (webhooks.length === 0) return sum;
    const hasFound = await handOutEvents(webhooks, untilMs);
    const enabled = webhooks.filter(({ status }) => status === "enabled");
    const rounds = await Promise.all(enabled.map((webhook) => deliverAlone(webhook, untilMs)));
    for (const { delivered, failed } of rounds) {
      sum.delivered += delivered;
      sum.failed += failed;
    }
    const isIdle = !hasFound && rounds.every(({ delivered, failed }) => delivered + failed === 0);
    if (isIdle || Date.now() + ROUND_MS >= untilMs) return sum;
    await sleep(ROUND_MS);
  }
}

/** One webhook that hangs or fails holds up no other one. */
async function deliverAlone(webhook: Webhook, untilMs: number): Promise<Delivered> {
  try {
    return await deliverDue(webhook, untilMs);
  } catch (error) {
    log().error({ err: error, webhook: webhook.id }, "deliveries of a webhook could not go on");
    return { delivered: 0, failed: 0 };
  }
}

async function deliverDue(webhook: Webhook, untilMs: number): Promise<Delivered> {
  const sum: Delivered = { delivered: 0, failed: 0 };
  const secret = await readSecret(webhook.id);
  if (secret === undefined) return sum;
  const isFailing = webhook.failingSince !== undefined;
  const due = await listDue(webhook.id, isFailing ? PER_ROUND_FAILING : PER_ROUND);
  const together = isFailing ? 1 : TOGETHER;
  for (let place = 0; place < due.length && Date.now() < untilMs; place += together) {
    const some = due.slice(place, place + together);
    const outcomes = await Promise.all(some.map((one) => deliver(webhook, one, secret)));
    for (const outcome of outcomes) {
      if (outcome === "delivered") sum.delivered += 1;
      else if (outcome !== "taken") sum.failed += 1;
    }
    await countTries(some, outcomes);
    if (outcomes.includes("gone")) {
      await disable(webhook.id, "the receiver has answered 410: it wants no more deliveries");
      return sum;
    }
  }
  if (sum.delivered + sum.failed > 0) await noteHealth(webhook, sum.delivered > 0);
  return sum;
}

/** `gone`: given up, as the receiver wants no more. `taken`: somebody else tries. */
type Outcome = DeliveryOutcome | "gone" | "taken";

async function countTries(
  some: readonly StoredDelivery[],
  outcomes: readonly Outcome[],
): Promise<void> {
  const observations = some.flatMap(({ event }, place) => {
    const outcome = outcomes[place];
    if (outcome === undefined || outcome === "taken") return [];
    const delayMs = Date.now() - Date.parse(event.at);
    return observationsOfTry(outcome === "gone" ? "given-up" : outcome, delayMs);
  });
  await count(observations);
}

async function deliver(
  webhook: Webhook,
  delivery: StoredDelivery,
  secret: Secret,
): Promise<Outcome> {
  const claimed = { ...delivery, dueAt: new Date(Date.now() + CLAIM_MS).toISOString() };
  const { triedNow } = delivery;
  if (!(await moveDelivery(delivery, { dueAt: claimed.dueAt, triedNow }))) return "taken";
  const tried = await tryOnce(webhook, delivery, secret);
  const tries = [...delivery.tries, tried.record];
  if (tried.record.error === undefined) {
    await moveDelivery(claimed, { status: "delivered", tries, triedNow: triedNow + 1 });
    return "delivered";
  }
  const pause = tried.isGone ? undefined : pauseMs(triedNow + 1, Math.random(), tried.askedMs);
  if (pause === undefined) {
    await moveDelivery(claimed, { status: "given-up", tries, triedNow: triedNow + 1 });
  } else {
    const dueAt = new Date(Date.now() + pause).toISOString();
    await moveDelivery(claimed, { dueAt, tries, triedNow: triedNow + 1 });
  }
  if (tried.isGone) return "gone";
  return pause === undefined ? "given-up" : "failed";
}

type Tried = {
  readonly record: DeliveryTry;
  readonly askedMs?: number | undefined;
  readonly isGone: boolean;
};

async function tryOnce(
  { url }: Webhook,
  { event }: StoredDelivery,
  secret: Secret,
): Promise<Tried> {
  const { tableName, webhookReceivers: receivers } = config();
  const body = JSON.stringify(cloudEvent(event, `urn:switchyard:${tableName}`));
  const startMs = Date.now();
  const began = { at: new Date(startMs).toISOString() };
  try {
    const secrets = secretsAt(secret, startMs);
    const posted = await postWebhook({ url, id: event.id, body, secrets, receivers });
    const ms = Date.now() - startMs;
    const record = { ...began, ms, status: posted.status, ...failureOf(posted) };
    const isGone = posted.status === 410;
    return { record, isGone, askedMs: askedBy(posted) };
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    return { record: { ...began, ms: Date.now() - startMs, error: reason }, isGone: false };
  }
}

function secretsAt({ secret, previous, previousUntil }: Secret, nowMs: number): string[] {
  const isGood = previousUntil !== undefined && nowMs < Date.parse(previousUntil);
  return previous !== undefined && isGood ? [secret, previous] : [secret];
}

/** Only 2xx counts as delivered. */
function failureOf({ status, answer }: Posted): Pick<DeliveryTry, "error" | "answer"> {
  if (status >= 200 && status < 300) return {};
  const error = status >= 300 && status < 400 ? "redirects are not followed" : `answered ${status}`;
  return { error, ...(answer === "" ? {} : { answer }) };
}

function askedBy({ status, retryAfter }: Posted): number | undefined {
  return status === 429 || status === 503 ? retryAfterMs(retryAfter, Date.now()) : undefined;
}

/** Since when nothing arrives: after five days nothing is tried any more. */
async function noteHealth(webhook: Webhook, hasDelivered: boolean): Promise<void> {
  const { id, failingSince } = webhook;
  if (hasDelivered) {
    if (failingSince !== undefined) await change(id, ({ failingSince: _, ...kept }) => kept);
    return;
  }
  if (failingSince === undefined) {
    const now = new Date().toISOString();
    await change(id, (one) => ({ ...one, failingSince: now }));
    return;
  }
  if (Date.now() - Date.parse(failingSince) < FAILING_MS_MAX) return;
  await disable(id, `no delivery has arrived since ${failingSince}`);
}

async function disable(id: WebhookId, reason: string): Promise<void> {
  if (!(await change(id, (one) => ({ ...one, status: "disabled", reason })))) return;
  log().warn({ webhook: id, reason }, "a webhook was disabled");
  await addEvents([{ type: "webhook.disabled", data: { webhook: id, message: reason } }]);
}

/** Changes a webhook that is enabled; what an operator does meanwhile stays. False: nothing changed. */
async function change(id: WebhookId, to: (webhook: Webhook) => Webhook): Promise<boolean> {
  for (let tries = 1; tries <= CHANGES_MAX; tries += 1) {
    const before = await readWebhooks();
    const known = before.webhooks.find((one) => one.id === id);
    if (known === undefined || known.status !== "enabled") return false;
    const webhooks = before.webhooks.map((one) => (one.id === id ? to(one) : one));
    if (await writeWebhooks({ before, webhooks })) return true;
  }
  return false;
}
