import type * as z from "zod";
import type {
  Delivery,
  NewWebhook,
  Webhook,
  WebhookWithSecret,
} from "../../../core/webhook/webhook.ts";

const id = "whk_01M8N1VNDJ2TD7XCBRST3FAP8W";

const request: z.input<typeof NewWebhook> = {
  url: "https://ops.example.org/switchyard",
  types: ["migration.failed", "migration.unknown", "host"],
  message: "calls whoever is on duty",
};

const webhook: z.input<typeof Webhook> = {
  id,
  url: "https://ops.example.org/switchyard",
  types: ["migration.failed", "migration.unknown", "host"],
  labels: {},
  message: "calls whoever is on duty",
  status: "enabled",
  createdAt: "2026-11-30T09:00:00.000Z",
};

const withSecret: z.input<typeof WebhookWithSecret> = {
  webhook,
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
};

const rotated: z.input<typeof WebhookWithSecret> = {
  ...withSecret,
  previousUntil: "2026-12-01T09:00:00.000Z",
};

const event: z.input<typeof Delivery>["event"] = {
  id: "evt_01M8N1VNDJ2TD7XCBRST3FAP8W",
  at: "2026-11-30T09:14:02.771Z",
  type: "host.silent",
  subject: "hosts/host-a",
  data: { host: "host-a", message: "not heard since 2026-11-30T09:12:00.000Z" },
};

const waiting: z.input<typeof Delivery> = {
  webhook: id,
  event,
  status: "waiting",
  dueAt: "2026-11-30T09:14:06.000Z",
  tries: [],
};

const delivered: z.input<typeof Delivery> = {
  webhook: id,
  event,
  status: "delivered",
  tries: [{ at: "2026-11-30T09:14:07.120Z", ms: 83, status: 204 }],
};

export const webhookExamples = { request, webhook, withSecret, rotated, waiting, delivered };
