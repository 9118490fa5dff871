import type { InferRequestType } from "hono/client";
import { type Api, json, type Page } from "./api.ts";

type NewWebhook = InferRequestType<Api["webhooks"]["$post"]>["json"];
type WebhookChange = InferRequestType<Api["webhooks"][":id"]["$patch"]>["json"];

export function webhookOperations({ webhooks }: Api) {
  const one = webhooks[":id"];
  return {
    createWebhook: (webhook: NewWebhook) => json(webhooks.$post({ json: webhook })),
    listWebhooks: () => json(webhooks.$get()),
    getWebhook: (id: string) => json(one.$get({ param: { id } })),
    changeWebhook: (id: string, change: WebhookChange) =>
      json(one.$patch({ param: { id }, json: change })),
    deleteWebhook: async (id: string) => {
      await one.$delete({ param: { id } });
    },
    rotateWebhookSecret: (id: string) => json(one["rotate-secret"].$post({ param: { id } })),
    testWebhook: (id: string) => json(one.test.$post({ param: { id } })),
    listDeliveries: (id: string, query: Page = {}) =>
      json(one.deliveries.$get({ param: { id }, query })),
    redeliverEvent: (id: string, event: string) =>
      json(one.deliveries[":event"].redeliver.$post({ param: { id, event } })),
  };
}
