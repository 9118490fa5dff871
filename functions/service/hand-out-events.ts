import { type FleetEvent, fitsTypes } from "../../core/fleet-event/fleet-event.ts";
import type { Webhook } from "../../core/webhook/webhook.ts";
import { addDelivery } from "../store/deliveries.ts";
import { subjectsOf } from "../store/event-subjects.ts";
import { readEvents } from "../store/fleet-events.ts";
import { moveWebhookCursor, readWebhookCursor } from "../store/webhooks.ts";

const EVENTS_PER_PAGE = 50;

/**
 * Writes a delivery for each new event and each webhook that it fits, and only then goes on to the
 * next page: whoever is ended in between leaves the page to the next one, and a delivery that is there
 * already stays as it is.
 *
 * @returns whether there was any event
 */
export async function handOutEvents(
  webhooks: readonly Webhook[],
  untilMs: number,
): Promise<boolean> {
  let hasFound = false;
  while (Date.now() < untilMs) {
    const after = await readWebhookCursor();
    if (after === undefined) return hasFound;
    const page = await readEvents({ after, types: [], limit: EVENTS_PER_PAGE });
    for (const event of page.items) {
      for (const webhook of webhooks) {
        if (await fits(event, webhook)) await addDelivery(webhook.id, event);
      }
    }
    if (page.cursor === after) return hasFound;
    if (!(await moveWebhookCursor(after, page.cursor))) return hasFound;
    hasFound ||= page.items.length > 0;
    if (!page.more) return hasFound;
  }
  return hasFound;
}

async function fits(event: FleetEvent, webhook: Webhook): Promise<boolean> {
  if (webhook.status !== "enabled" || !fitsTypes(event.type, webhook.types)) return false;
  const wanted = Object.entries(webhook.labels);
  const { tenants } = webhook;
  if (wanted.length === 0 && tenants.length === 0) return true;
  const all = await subjectsOf(event.data);
  const isOfTenant =
    tenants.length === 0 ||
    all.some(({ tenant }) => tenant !== undefined && tenants.includes(tenant));
  return (
    isOfTenant && all.some(({ labels }) => wanted.every(([name, value]) => labels[name] === value))
  );
}
