import type { MigrationId } from "../../core/id.ts";
import {
  registerWait,
  type Settlement,
  type Signals,
  settlement,
  type Waiter,
} from "../store/signals.ts";
import { raise } from "./raise-signal.ts";

export type Wait = { signals: Signals; settled: Settlement | undefined };

/**
 * Registers that a workflow state waits, while it enters its phase. When what it waits for has
 * happened already (or an interrupt has), its token is completed at once.
 *
 * @throws whatever `entering` throws; the token is then left alone
 */
export async function waitFor<T>(
  id: MigrationId,
  name: string,
  waiter: Waiter,
  entering: Promise<T>,
): Promise<Wait & { entered: T }> {
  const [entered, signals] = await Promise.all([entering, registerWait(id, name, waiter)]);
  const settled = settlement(waiter, signals);
  if (settled !== undefined) await raise({ do: "settle", migrationId: id, wait: name });
  return { entered, signals, settled };
}
