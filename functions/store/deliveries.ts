import * as z from "zod";
import type { FleetEvent } from "../../core/fleet-event/fleet-event.ts";
import type { WebhookId } from "../../core/id.ts";
import { Delivery, type DeliveryTry } from "../../core/webhook/webhook.ts";
import { keys } from "./keys.ts";
import type { Listed, Page } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, getItem, getItems, putItem, queryItems, updateIf } from "./table.ts";
import { GSI1 } from "./table-schema.ts";

const SORT = "DELIVERY#";
/** Tries that a delivery shows. */
const TRIES_KEPT = 20;

/** The whole record. `dueAt` is there while it waits: whoever moves it may try. */
const StoredDelivery = z.object({
  ...Delivery.shape,
  /** Tries since it was asked for, which decide the next pause. */
  triedNow: z.int().nonnegative(),
});
export type StoredDelivery = z.infer<typeof StoredDelivery>;

/** A delivery that waits is in the index of its webhook, by the time at which it is due. */
function due(webhook: WebhookId, event: string, dueAt: string) {
  return { gsi1pk: `DUE#${webhook}`, gsi1sk: `${dueAt}#${event}` };
}

/** Writes a delivery that is due now; the same event is written once. */
export async function addDelivery(webhook: WebhookId, event: FleetEvent): Promise<void> {
  const dueAt = new Date().toISOString();
  const made: StoredDelivery = {
    webhook,
    event,
    status: "waiting",
    dueAt,
    tries: [],
    triedNow: 0,
  };
  await putItem(
    {
      ...keys.delivery(webhook, event.id),
      ...made,
      ...due(webhook, event.id, dueAt),
      ttl: expiresIn(keptSeconds.delivery),
    },
    "attribute_not_exists(pk)",
  );
}

export async function findDelivery(
  webhook: WebhookId,
  event: string,
): Promise<StoredDelivery | undefined> {
  const item = await getItem(keys.delivery(webhook, event));
  return item === undefined ? undefined : StoredDelivery.parse(item);
}

/** Newest event first. */
export async function listDeliveries(webhook: WebhookId, page: Page): Promise<Listed<Delivery>> {
  const { pk } = keys.delivery(webhook, "");
  const { items, more, last } = await queryItems({
    partition: ["pk", pk],
    prefix: ["sk", SORT],
    limit: page.limit,
    newestFirst: true,
    ...(page.after === undefined ? {} : { after: keys.delivery(webhook, page.after) }),
  });
  return {
    items: items.map((item) => publicDelivery(StoredDelivery.parse(item))),
    ...(more && last !== undefined ? { next: last.slice(SORT.length) } : {}),
  };
}

const PublicDelivery = z.object(Delivery.shape);

export function publicDelivery(stored: StoredDelivery): Delivery {
  return PublicDelivery.parse(stored);
}

/** Deliveries of a webhook that are due, the longest due first. */
export async function listDue(webhook: WebhookId, limit: number): Promise<StoredDelivery[]> {
  const { items } = await queryItems({
    index: GSI1,
    partition: ["gsi1pk", `DUE#${webhook}`],
    limit,
  });
  const now = new Date().toISOString();
  const rows = await getItems(items.map(({ pk, sk }) => ({ pk: String(pk), sk: String(sk) })));
  return rows
    .map((row) => StoredDelivery.parse(row))
    .filter(({ dueAt }) => dueAt !== undefined && dueAt <= now)
    .sort((one, other) => ((one.dueAt ?? "") < (other.dueAt ?? "") ? -1 : 1));
}

/** What becomes of a delivery that waits, if nobody else has moved it since it was read. */
type Next =
  | { readonly dueAt: string; readonly tries?: DeliveryTry[]; readonly triedNow: number }
  | {
      readonly status: "delivered" | "given-up";
      readonly tries: DeliveryTry[];
      readonly triedNow: number;
    };

/** False when somebody else has moved the delivery since it was read. */
export async function moveDelivery(before: StoredDelivery, next: Next): Promise<boolean> {
  const { webhook, event, dueAt } = before;
  const { tries = before.tries, triedNow } = next;
  const kept = tries.slice(-TRIES_KEPT);
  const key = keys.delivery(webhook, event.id);
  const values = { ":tries": kept, ":triedNow": triedNow, ":was": dueAt };
  const condition =
    dueAt === undefined ? "attribute_exists(pk) AND attribute_not_exists(#dueAt)" : "#dueAt = :was";
  if ("dueAt" in next) {
    const { gsi1pk, gsi1sk } = due(webhook, event.id, next.dueAt);
    return updateIf({
      key,
      update:
        "SET #status = :waiting, #tries = :tries, #triedNow = :triedNow, #dueAt = :dueAt, #gsi1pk = :gsi1pk, #gsi1sk = :gsi1sk",
      condition,
      values: defined({
        ...values,
        ":waiting": "waiting",
        ":dueAt": next.dueAt,
        ":gsi1pk": gsi1pk,
        ":gsi1sk": gsi1sk,
      }),
    });
  }
  return updateIf({
    key,
    update:
      "SET #status = :status, #tries = :tries, #triedNow = :triedNow REMOVE #dueAt, #gsi1pk, #gsi1sk",
    condition,
    values: defined({ ...values, ":status": next.status }),
  });
}

function defined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
