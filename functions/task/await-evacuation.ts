import * as z from "zod";
import { EvacuationId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { raise } from "../service/raise-signal.ts";
import { registerToken } from "../store/evacuation-wakes.ts";

const AwaitInput = z.object({ evacuationId: EvacuationId, taskToken: z.string().min(1) });

/**
 * Workflow task with token: waits until something of the evacuation changes. What has changed since the
 * last step ends the wait at once.
 */
export const handler = task(async (event): Promise<Record<string, never>> => {
  const { evacuationId, taskToken } = AwaitInput.parse(event);
  const { hosts } = await registerToken(evacuationId, taskToken);
  if (hosts.size > 0) await raise({ do: "continue-evacuation", evacuationId });
  return {};
});
