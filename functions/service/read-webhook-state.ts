import { findDelivery, oldestWaiting } from "../store/deliveries.ts";
import { readWebhookCursor, readWebhooks, type Webhooks } from "../store/webhooks.ts";

export type WebhookState = {
  readonly webhooks: Webhooks["webhooks"];
  /** Every event before was handed to the webhooks, and no delivery of one waits. */
  readonly deliveredUntil?: string | undefined;
};

/** How far deliveries have come; without an enabled webhook there is nothing to deliver. */
export async function readWebhookState(): Promise<WebhookState> {
  const { webhooks } = await readWebhooks();
  const enabled = webhooks.filter(({ status }) => status === "enabled");
  if (enabled.length === 0) return { webhooks };
  const [cursor, ...waiting] = await Promise.all([
    readWebhookCursor(),
    ...enabled.map(async ({ id }) => {
      const event = await oldestWaiting(id);
      return event === undefined ? undefined : (await findDelivery(id, event))?.event.at;
    }),
  ]);
  // A cursor may have more behind its instant.
  const instants = [cursor?.split("#")[0], ...waiting].filter((one) => one !== undefined);
  return { webhooks, deliveredUntil: instants.toSorted()[0] };
}
