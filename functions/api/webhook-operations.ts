import * as z from "zod";
import { FleetEventId } from "../../core/fleet-event/fleet-event.ts";
import { WebhookId } from "../../core/id.ts";
import {
  Delivery,
  NewWebhook,
  Webhook,
  WebhookChange,
  WebhookWithSecret,
} from "../../core/webhook/webhook.ts";
import { DeliveryPage, WebhookList } from "./bodies/webhooks.ts";
import { webhookExamples as examples } from "./examples/webhooks.ts";
import { answer, body, createRoute, pageQuery, READ, refusals, SEND, WRITE } from "./routing.ts";

const tags = ["Webhooks"];
const byId = { params: z.strictObject({ id: WebhookId }) };
const byDelivery = { params: z.strictObject({ id: WebhookId, event: FleetEventId }) };

export const create = createRoute({
  method: "post",
  path: "/v1/webhooks",
  operationId: "createWebhook",
  tags,
  summary: "Add a webhook",
  description:
    "From now on each event that fits is posted to the URL: a CloudEvent 1.0 in JSON, signed as " +
    "Standard Webhooks 1.0 says. The answer has the secret, which is not shown again.",
  request: body(NewWebhook, examples.request),
  responses: {
    201: answer("The webhook and its secret", WebhookWithSecret, examples.withSecret),
    ...refusals(SEND, "too-many-webhooks", "webhooks-changed"),
  },
});

export const list = createRoute({
  method: "get",
  path: "/v1/webhooks",
  operationId: "listWebhooks",
  tags,
  summary: "List webhooks",
  responses: {
    200: answer("All webhooks", WebhookList, { items: [examples.webhook] }),
    ...refusals(READ),
  },
});

export const get = createRoute({
  method: "get",
  path: "/v1/webhooks/{id}",
  operationId: "getWebhook",
  tags,
  summary: "Show a webhook",
  request: byId,
  responses: {
    200: answer("The webhook", Webhook, examples.webhook),
    ...refusals(READ, "webhook-not-found"),
  },
});

export const change = createRoute({
  method: "patch",
  path: "/v1/webhooks/{id}",
  operationId: "changeWebhook",
  tags,
  summary: "Change, pause or enable a webhook",
  description: "Events that are told while it is not enabled are not delivered later.",
  request: { ...byId, ...body(WebhookChange, { status: "paused" }) },
  responses: {
    200: answer("The webhook", Webhook, { ...examples.webhook, status: "paused" }),
    ...refusals(SEND, "webhook-not-found", "webhooks-changed"),
  },
});

export const remove = createRoute({
  method: "delete",
  path: "/v1/webhooks/{id}",
  operationId: "deleteWebhook",
  tags,
  summary: "Remove a webhook",
  request: byId,
  responses: {
    204: { description: "The webhook is gone" },
    ...refusals(WRITE, "webhook-not-found", "webhooks-changed"),
  },
});

export const rotate = createRoute({
  method: "post",
  path: "/v1/webhooks/{id}/rotate-secret",
  operationId: "rotateWebhookSecret",
  tags,
  summary: "Make another secret",
  description: "For 24 hours deliveries are signed with both.",
  request: byId,
  responses: {
    200: answer("The webhook and its new secret", WebhookWithSecret, examples.rotated),
    ...refusals(WRITE, "webhook-not-found", "webhooks-changed"),
  },
});

export const test = createRoute({
  method: "post",
  path: "/v1/webhooks/{id}/test",
  operationId: "testWebhook",
  tags,
  summary: "Deliver a test event",
  description: "It is delivered within a minute; its delivery shows what the receiver answered.",
  request: byId,
  responses: {
    202: answer("The delivery", Delivery, examples.waiting),
    ...refusals(WRITE, "webhook-not-found", "webhook-not-enabled"),
  },
});

export const listDeliveries = createRoute({
  method: "get",
  path: "/v1/webhooks/{id}/deliveries",
  operationId: "listDeliveries",
  tags,
  summary: "List deliveries of a webhook, newest event first",
  description: "They are kept for 30 days, with their last tries.",
  request: { ...byId, query: z.strictObject(pageQuery(FleetEventId)) },
  responses: {
    200: answer("A page of deliveries", DeliveryPage, { items: [examples.delivered] }),
    ...refusals(READ, "webhook-not-found"),
  },
});

export const redeliver = createRoute({
  method: "post",
  path: "/v1/webhooks/{id}/deliveries/{event}/redeliver",
  operationId: "redeliverEvent",
  tags,
  summary: "Deliver an event again",
  description: "It is due at once, and tried as often as a new one.",
  request: byDelivery,
  responses: {
    202: answer("The delivery", Delivery, examples.waiting),
    ...refusals(WRITE, "webhook-not-found", "webhook-not-enabled", "delivery-not-found"),
  },
});
