import { randomBytes } from "node:crypto";
import { ulid, WebhookId } from "../../core/id.ts";
import { jsonBytes, WEBHOOKS_BYTES_MAX } from "../../core/size-limits.ts";
import {
  type Delivery,
  type NewWebhook,
  WEBHOOKS_MAX,
  type Webhook,
  type WebhookChange,
  type WebhookWithSecret,
} from "../../core/webhook/webhook.ts";
import { refuseFields } from "../http/invalid.ts";
import { Problem } from "../http/problem.ts";
import { config } from "../runtime/config.ts";
import { ForbiddenReceiver, requireReceiver } from "../runtime/receivers.ts";
import { addDelivery, findDelivery, moveDelivery, publicDelivery } from "../store/deliveries.ts";
import { eventOfNow } from "../store/fleet-events.ts";
import {
  createWebhook,
  readWebhooks,
  removeWebhook,
  rotateSecret,
  type Webhooks,
  writeWebhooks,
} from "../store/webhooks.ts";

const TRIES_MAX = 10;
/** For so long deliveries are signed with the secret before the present one, too. */
const PREVIOUS_MS = 24 * 3_600_000;

/** @throws Problem invalid, too-many-webhooks, record-too-large, webhooks-changed */
export async function addWebhook(wanted: NewWebhook): Promise<WebhookWithSecret> {
  requireUrl(wanted.url);
  const nowMs = Date.now();
  const webhook: Webhook = {
    id: WebhookId.parse(`whk_${ulid(nowMs, randomBytes(10))}`),
    ...wanted,
    status: "enabled",
    createdAt: new Date(nowMs).toISOString(),
  };
  return inTurn(async (before) => {
    if (before.webhooks.length >= WEBHOOKS_MAX) {
      const detail = `There are ${WEBHOOKS_MAX} webhooks already: remove one of them first`;
      throw new Problem("too-many-webhooks", detail);
    }
    requireRoom([...before.webhooks, webhook]);
    const secret = await createWebhook(before, webhook);
    return secret === undefined ? undefined : { webhook, secret };
  });
}

/** All webhooks are one item, and the deliverer adds to it why it has disabled one. */
function requireRoom(webhooks: readonly Webhook[]): void {
  const bytes = jsonBytes(webhooks);
  if (bytes <= WEBHOOKS_BYTES_MAX) return;
  const detail = `Expected webhooks of at most ${WEBHOOKS_BYTES_MAX} bytes together, got ${bytes}: shorten labels and messages, or remove a webhook`;
  throw new Problem("record-too-large", detail);
}

function requireUrl(url: string): void {
  try {
    requireReceiver(new URL(url), config().webhookReceivers);
  } catch (error) {
    if (!(error instanceof ForbiddenReceiver)) throw error;
    throw refuseFields([{ field: "url", rule: error.message, received: url }]);
  }
}

/** @throws Problem webhook-not-found */
export async function requireWebhook(id: WebhookId): Promise<Webhook> {
  return find(await readWebhooks(), id);
}

/** @throws Problem webhook-not-found, record-too-large, webhooks-changed */
export async function changeWebhook(
  id: WebhookId,
  { status, types, labels, tenants, message }: WebhookChange,
): Promise<Webhook> {
  return inTurn(async (before) => {
    const { reason, failingSince, ...kept } = find(before, id);
    const isKept = status === undefined;
    const changed: Webhook = {
      ...kept,
      ...(isKept && reason !== undefined ? { reason } : {}),
      ...(isKept && failingSince !== undefined ? { failingSince } : {}),
      ...(types === undefined ? {} : { types }),
      ...(labels === undefined ? {} : { labels }),
      ...(tenants === undefined ? {} : { tenants }),
      ...(message === undefined ? {} : { message }),
      status: status ?? kept.status,
    };
    const webhooks = before.webhooks.map((one) => (one.id === id ? changed : one));
    requireRoom(webhooks);
    return (await writeWebhooks({ before, webhooks })) ? changed : undefined;
  });
}

/** @throws Problem webhook-not-found, webhooks-changed */
export async function deleteWebhook(id: WebhookId): Promise<void> {
  await inTurn(async (before) => {
    find(before, id);
    return (await removeWebhook(before, id)) ? true : undefined;
  });
}

/** @throws Problem webhook-not-found, webhooks-changed */
export async function rotateWebhookSecret(id: WebhookId): Promise<WebhookWithSecret> {
  const webhook = await requireWebhook(id);
  const previousUntil = new Date(Date.now() + PREVIOUS_MS).toISOString();
  const secret = await rotateSecret(id, previousUntil);
  if (secret === undefined) throw changed();
  return { webhook, secret, previousUntil };
}

/**
 * Has an event of its own delivered to a webhook, whatever it filters by.
 *
 * @throws Problem webhook-not-found, webhook-not-enabled
 */
export async function testWebhook(id: WebhookId): Promise<Delivery> {
  requireEnabled(await requireWebhook(id));
  const event = eventOfNow({ type: "webhook.test", data: { webhook: id, message: "a test" } });
  await addDelivery(id, event);
  return requireDelivery(id, event.id);
}

/**
 * Has an event delivered again; one that still waits is due at once.
 *
 * @throws Problem webhook-not-found, webhook-not-enabled, delivery-not-found
 */
export async function redeliver(id: WebhookId, event: string): Promise<Delivery> {
  requireEnabled(await requireWebhook(id));
  const before = await findDelivery(id, event);
  if (before === undefined) throw noDelivery(id, event);
  // Another writer is a try that is under way, or the same request: both deliver it.
  await moveDelivery(before, { dueAt: new Date().toISOString(), triedNow: 0 });
  return requireDelivery(id, event);
}

async function requireDelivery(id: WebhookId, event: string): Promise<Delivery> {
  const found = await findDelivery(id, event);
  if (found === undefined) throw noDelivery(id, event);
  return publicDelivery(found);
}

function noDelivery(id: WebhookId, event: string): Problem {
  return new Problem(
    "delivery-not-found",
    `${id} has no delivery of ${event}: its deliveries list those of the last 30 days`,
  );
}

function requireEnabled({ id, status }: Webhook): void {
  if (status === "enabled") return;
  throw new Problem("webhook-not-enabled", `${id} is ${status}: enable it first`);
}

function find({ webhooks }: Webhooks, id: WebhookId): Webhook {
  const found = webhooks.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw new Problem("webhook-not-found", `There is no webhook ${id}`);
}

async function inTurn<T>(attempt: (before: Webhooks) => Promise<T | undefined>): Promise<T> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const done = await attempt(await readWebhooks());
    if (done !== undefined) return done;
  }
  throw changed();
}

function changed(): Problem {
  return new Problem("webhooks-changed", "Other requests are changing the webhooks: try again");
}
