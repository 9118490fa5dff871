import { randomBytes } from "node:crypto";
import * as z from "zod";
import { EventCursor } from "../../core/fleet-event/fleet-event.ts";
import type { WebhookId } from "../../core/id.ts";
import { Webhook } from "../../core/webhook/webhook.ts";
import { keys } from "./keys.ts";
import { deleteItem, getItem, transact, updateIf, write } from "./table.ts";

/** One item: whoever hands events out sees all webhooks at one moment. Secrets are kept apart. */
const Webhooks = z.object({
  webhooks: z.array(Webhook).default([]),
  revision: z.int().nonnegative().default(0),
});
export type Webhooks = z.infer<typeof Webhooks>;

export async function readWebhooks(): Promise<Webhooks> {
  return Webhooks.parse((await getItem(keys.webhooks())) ?? {});
}

const SECRET_BYTES = 32;

/** What deliveries are signed with. */
const Secret = z.object({
  secret: z.string(),
  previous: z.string().optional(),
  previousUntil: z.iso.datetime().optional(),
});
export type Secret = z.infer<typeof Secret>;

function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
}

type Change = {
  readonly before: Pick<Webhooks, "revision">;
  readonly webhooks: readonly Webhook[];
};

/** False when somebody else has changed them since they were read. */
export async function writeWebhooks({ before, webhooks }: Change): Promise<boolean> {
  return updateIf(listUpdate(before, webhooks));
}

function listUpdate({ revision }: Pick<Webhooks, "revision">, webhooks: readonly Webhook[]) {
  return {
    key: keys.webhooks(),
    update: "SET #webhooks = :webhooks, #revision = :next",
    condition: "attribute_not_exists(#revision) OR #revision = :revision",
    values: { ":webhooks": webhooks, ":next": revision + 1, ":revision": revision },
  };
}

/**
 * Adds a webhook with its secret; the first one is handed the events from now on. Undefined when
 * somebody else has changed the webhooks since they were read.
 */
export async function createWebhook(before: Webhooks, made: Webhook): Promise<string | undefined> {
  const secret = newSecret();
  const failed = await transact([
    write.update(listUpdate(before, [...before.webhooks, made])),
    write.put({ ...keys.webhookSecret(made.id), secret }),
    ...(before.webhooks.length > 0
      ? []
      : [write.put({ ...keys.webhookCursor(), cursor: made.createdAt })]),
  ]);
  return failed.length === 0 ? secret : undefined;
}

/** Its deliveries expire by themselves. False when the webhooks have changed since they were read. */
export async function removeWebhook(before: Webhooks, id: WebhookId): Promise<boolean> {
  const webhooks = before.webhooks.filter((one) => one.id !== id);
  if (!(await writeWebhooks({ before, webhooks }))) return false;
  await deleteItem(keys.webhookSecret(id));
  return true;
}

export async function readSecret(id: WebhookId): Promise<Secret | undefined> {
  const item = await getItem(keys.webhookSecret(id));
  return item === undefined ? undefined : Secret.parse(item);
}

/** Makes another secret; the one before is good for a while longer. Undefined: there is none. */
export async function rotateSecret(
  id: WebhookId,
  previousUntil: string,
): Promise<string | undefined> {
  const before = await readSecret(id);
  if (before === undefined) return undefined;
  const secret = newSecret();
  const isWritten = await updateIf({
    key: keys.webhookSecret(id),
    update: "SET #secret = :secret, #previous = :previous, #previousUntil = :until",
    condition: "#secret = :previous",
    values: { ":secret": secret, ":previous": before.secret, ":until": previousUntil },
  });
  return isWritten ? secret : undefined;
}

/** Up to where events were handed to the webhooks. */
export async function readWebhookCursor(): Promise<EventCursor | undefined> {
  const item = await getItem(keys.webhookCursor());
  return item === undefined ? undefined : EventCursor.parse(item.cursor);
}

/** False when somebody else has handed out events since it was read. */
export async function moveWebhookCursor(from: EventCursor, to: EventCursor): Promise<boolean> {
  return updateIf({
    key: keys.webhookCursor(),
    update: "SET #cursor = :to",
    condition: "#cursor = :from",
    values: { ":to": to, ":from": from },
  });
}
