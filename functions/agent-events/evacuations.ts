import type { EvacuationId } from "../../core/id.ts";
import { readWakes } from "../store/evacuation-wakes.ts";
import { completeWait } from "./tokens.ts";

/** Lets the workflow of an evacuation go on, if it waits. */
export async function continueEvacuation(id: EvacuationId): Promise<void> {
  const { token } = await readWakes(id);
  if (token !== undefined) await completeWait(token);
}
