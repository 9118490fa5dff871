import { z } from "@hono/zod-openapi";
import { AuditCursor, AuditEntry } from "../../core/audit.ts";
import { EventPage, FleetEvent, FleetEventId } from "../../core/fleet-event/fleet-event.ts";
import { WebhookId } from "../../core/id.ts";
import {
  CloudEvent,
  Delivery,
  DeliveryTry,
  NewWebhook,
  Webhook,
  WebhookChange,
  WebhookWithSecret,
} from "../../core/webhook/webhook.ts";

export const AuditPage = z.strictObject({
  items: z.array(AuditEntry),
  next: AuditCursor.optional(),
});
export const WebhookList = z.strictObject({ items: z.array(Webhook) });
export const DeliveryPage = z.strictObject({
  items: z.array(Delivery),
  next: FleetEventId.optional(),
});

/** Schemas about what has happened, with their names in the OpenAPI document. */
export const eventSchemas: readonly (readonly [string, z.ZodType, string])[] = [
  ["AuditEntry", AuditEntry, "What somebody has asked the API to change, and its answer"],
  ["AuditPage", AuditPage, "A page of audit entries"],
  ["FleetEvent", FleetEvent, "Something that has happened to the fleet"],
  ["EventPage", EventPage, "A page of events"],
  ["WebhookId", WebhookId, "`whk_` and a ULID"],
  ["NewWebhook", NewWebhook, "A webhook to add"],
  ["WebhookChange", WebhookChange, "What to change of a webhook; what is absent stays"],
  ["Webhook", Webhook, "Whom events are delivered to"],
  ["WebhookWithSecret", WebhookWithSecret, "A webhook with its secret, which is shown this once"],
  ["WebhookList", WebhookList, "All webhooks"],
  ["Delivery", Delivery, "An event on its way to a webhook"],
  ["DeliveryTry", DeliveryTry, "One try to deliver an event"],
  ["DeliveryPage", DeliveryPage, "A page of deliveries"],
  ["CloudEvent", CloudEvent, "The body of a delivery: CloudEvents 1.0, structured JSON"],
];
