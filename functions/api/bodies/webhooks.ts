import * as z from "zod";
import { Delivery, Webhook } from "../../../core/webhook/webhook.ts";
import { page } from "./page.ts";

export const WebhookList = z.strictObject({ items: z.array(Webhook) });
export const DeliveryPage = page(Delivery);
