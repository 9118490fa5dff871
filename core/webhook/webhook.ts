import * as z from "zod";
import { EventFilter, FleetEvent } from "../fleet-event/fleet-event.ts";
import { Message } from "../host/cordon.ts";
import { WebhookId } from "../id.ts";
import { Labels } from "../labels.ts";

/** Webhooks that a fleet may have, and types that one may name. */
export const WEBHOOKS_MAX = 16;
const TYPES_MAX = 20;

const isEmpty = (text: string) => text === "";

/** An absolute URL. Which addresses may be called is checked with each delivery. */
export const WebhookUrl = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .refine((url) => {
    const parsed = URL.parse(url);
    return parsed === null || [parsed.username, parsed.password, parsed.hash].every(isEmpty);
  }, "expected a URL without a user name, a password and a fragment");

const chosen = {
  /** Types or nouns, such as `migration.failed` or `host`; none: all events. */
  types: z.array(EventFilter).max(TYPES_MAX),
  /** Only events of VMs and hosts that have all of these labels. */
  labels: Labels,
  /** What it is for, for people. */
  message: Message.optional(),
};

export const NewWebhook = z.strictObject({
  url: WebhookUrl,
  ...chosen,
  types: chosen.types.default([]),
  labels: chosen.labels.default({}),
});
export type NewWebhook = z.infer<typeof NewWebhook>;

/** What is absent stays. `enabled`: deliver, also after it was disabled; `paused`: leave events out. */
export const WebhookChange = z.strictObject({
  types: chosen.types.optional(),
  labels: chosen.labels.optional(),
  message: chosen.message,
  status: z.enum(["enabled", "paused"]).optional(),
});
export type WebhookChange = z.infer<typeof WebhookChange>;

/** Whom events are delivered to. */
export const Webhook = z.strictObject({
  id: WebhookId,
  url: WebhookUrl,
  ...chosen,
  /** `disabled`: nothing is delivered until somebody enables it again. */
  status: z.enum(["enabled", "paused", "disabled"]),
  /** Why it was disabled. */
  reason: z.string().optional(),
  createdAt: z.iso.datetime(),
  /** Since when no delivery has arrived. */
  failingSince: z.iso.datetime().optional(),
});
export type Webhook = z.infer<typeof Webhook>;

/** A webhook with its secret, which is shown this once. */
export const WebhookWithSecret = z.strictObject({
  webhook: Webhook,
  /** `whsec_` and base64, as Standard Webhooks writes it. */
  secret: z.string(),
  /** Until when deliveries are signed with the secret before this one as well. */
  previousUntil: z.iso.datetime().optional(),
});
export type WebhookWithSecret = z.infer<typeof WebhookWithSecret>;

/** One try to deliver an event. */
export const DeliveryTry = z.strictObject({
  at: z.iso.datetime(),
  ms: z.number(),
  /** Status of the answer; absent when none came. */
  status: z.int().optional(),
  /** Why it does not count as delivered. */
  error: z.string().optional(),
  /** The beginning of the answer, when it was not 2xx. */
  answer: z.string().optional(),
});
export type DeliveryTry = z.infer<typeof DeliveryTry>;

/** An event on its way to a webhook. */
export const Delivery = z.strictObject({
  webhook: WebhookId,
  event: FleetEvent,
  /** `given-up`: nothing more is tried by itself. */
  status: z.enum(["waiting", "delivered", "given-up"]),
  /** When it is tried next. */
  dueAt: z.iso.datetime().optional(),
  /** The last tries, oldest first. */
  tries: z.array(DeliveryTry),
});
export type Delivery = z.infer<typeof Delivery>;

/** The body of a delivery: CloudEvents 1.0.2, structured JSON. */
export const CloudEvent = z.strictObject({
  specversion: z.literal("1.0"),
  id: FleetEvent.shape.id,
  /** Which control plane has sent it. */
  source: z.string(),
  /** `switchyard.` and the type of the event. */
  type: z.string(),
  subject: z.string(),
  time: z.iso.datetime(),
  datacontenttype: z.literal("application/json"),
  data: FleetEvent.shape.data,
});
export type CloudEvent = z.infer<typeof CloudEvent>;

export function cloudEvent({ id, type, subject, at, data }: FleetEvent, source: string) {
  return {
    specversion: "1.0",
    id,
    source,
    type: `switchyard.${type}`,
    subject,
    time: at,
    datacontenttype: "application/json",
    data,
  } satisfies CloudEvent;
}
