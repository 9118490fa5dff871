import type { MigrationId } from "../core/id.ts";
import { raise } from "./raise.ts";
import {
  registerWait,
  type Settlement,
  type Signals,
  settlement,
  type Waiter,
} from "./store/signals.ts";

export type Wait = { signals: Signals; settled: Settlement | undefined };

/**
 * Registers that a workflow state waits. When what it waits for has happened already (or an
 * interrupt has), its token is completed at once.
 */
export async function waitFor(id: MigrationId, name: string, waiter: Waiter): Promise<Wait> {
  const signals = await registerWait(id, name, waiter);
  const settled = settlement(waiter, signals);
  if (settled !== undefined) await raise({ do: "settle", migrationId: id, wait: name });
  return { signals, settled };
}
