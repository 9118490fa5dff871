import * as z from "zod";
import { task } from "../runtime/task.ts";
import { type Delivered, deliverWebhooks } from "../service/deliver-webhooks.ts";

/** No delivery begins later, ms: those under way then still end within the function's time limit. */
const WORK_MS = 40_000;

const Input = z.object({
  /** A caller that comes again sooner than each minute gives less. */
  workMs: z.int().positive().max(WORK_MS).default(WORK_MS),
});

/** Scheduled function: hands events to webhooks and delivers what is due. */
export const handler = task(async (event): Promise<Delivered> => {
  const { workMs } = Input.parse(event);
  return deliverWebhooks(Date.now() + workMs);
});
