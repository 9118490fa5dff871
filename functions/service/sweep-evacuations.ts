import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { EvacuationId } from "../../core/id.ts";
import { log } from "../runtime/log.ts";
import { EVERYTHING } from "../store/evacuation-wakes.ts";
import { listOpenEvacuations } from "../store/evacuations.ts";
import { act, edit, requireEvacuation } from "./change-evacuation.ts";
import {
  continueExecution,
  evacuationExecution,
  startEvacuationExecution,
} from "./evacuation-executions.ts";
import { cleanUp } from "./evacuation-turns.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

/** Evacuations of one page, and pages of one sweep. */
const PAGE_MAX = 100;
const PAGES_MAX = 10;
/** Executions that may be lost in a row, none of them with a step done. */
const LOST_MAX = 5;
/** An execution that was just started may not be known yet. */
const START_MS_MAX = 60_000;

export type SweptEvacuation = {
  readonly id: EvacuationId;
  readonly outcome: "fine" | "expired" | "started" | "given-up" | "failed";
};

/**
 * Finds evacuations without the execution that they need, and starts one; ends those that nobody has
 * approved in time. One that fails does not hold up the others.
 */
export async function sweepEvacuations(): Promise<SweptEvacuation[]> {
  const swept: SweptEvacuation[] = [];
  let after: EvacuationId | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { items, next } = await listOpenEvacuations({ limit: PAGE_MAX, after });
    for (const id of items) swept.push({ id, outcome: await outcomeOf(id) });
    if (next === undefined) break;
    after = EvacuationId.parse(next);
  }
  return swept;
}

async function outcomeOf(id: EvacuationId): Promise<SweptEvacuation["outcome"]> {
  try {
    return await sweep(id);
  } catch (error) {
    log().error({ err: error, evacuationId: id }, "failed to sweep an evacuation");
    return "failed";
  }
}

async function sweep(id: EvacuationId): Promise<SweptEvacuation["outcome"]> {
  const evacuation = await requireEvacuation(id);
  const { status, generation, lost, updatedAt } = evacuation;
  if (isFinalEvacuation(status)) return "fine";
  if (status === "planned") {
    const { decided } = await act(id, { do: "expire" });
    return "life" in decided ? "expired" : "fine";
  }
  const state = await evacuationExecution(evacuation);
  if (state === "running") return "fine";
  if (state === "absent") {
    if (Date.now() - Date.parse(updatedAt) < START_MS_MAX) return "fine";
    await startEvacuationExecution(evacuation);
    return "started";
  }
  if (lost >= LOST_MAX) {
    // Before the end is written: nobody comes back to it after that.
    await cleanUp(evacuation);
    await act(id, { do: "fail" });
    return "given-up";
  }
  await edit(id, () => ({ lost: lost + 1 }));
  await wakeEvacuation(id, [EVERYTHING]);
  await continueExecution(id, generation);
  return "started";
}
