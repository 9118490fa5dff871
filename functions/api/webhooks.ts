import {
  addWebhook,
  changeWebhook,
  deleteWebhook,
  redeliver,
  requireWebhook,
  rotateWebhookSecret,
  testWebhook,
} from "../service/change-webhooks.ts";
import { listDeliveries } from "../store/deliveries.ts";
import { readWebhooks } from "../store/webhooks.ts";
import { routes } from "./routing.ts";
import * as operations from "./webhook-operations.ts";

export const webhooks = routes()
  .openapi(operations.create, async (context) =>
    context.json(await addWebhook(context.req.valid("json")), 201),
  )
  .openapi(operations.list, async (context) => {
    const { webhooks: items } = await readWebhooks();
    return context.json({ items }, 200);
  })
  .openapi(operations.get, async (context) =>
    context.json(await requireWebhook(context.req.valid("param").id), 200),
  )
  .openapi(operations.change, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(await changeWebhook(id, context.req.valid("json")), 200);
  })
  .openapi(operations.remove, async (context) => {
    await deleteWebhook(context.req.valid("param").id);
    return context.body(null, 204);
  })
  .openapi(operations.rotate, async (context) =>
    context.json(await rotateWebhookSecret(context.req.valid("param").id), 200),
  )
  .openapi(operations.test, async (context) =>
    context.json(await testWebhook(context.req.valid("param").id), 202),
  )
  .openapi(operations.listDeliveries, async (context) => {
    const { id } = await requireWebhook(context.req.valid("param").id);
    return context.json(await listDeliveries(id, context.req.valid("query")), 200);
  })
  .openapi(operations.redeliver, async (context) => {
    const { id, event } = context.req.valid("param");
    return context.json(await redeliver(id, event), 202);
  });
