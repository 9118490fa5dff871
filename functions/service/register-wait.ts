import type { MigrationId } from "../../core/id.ts";
import { outgrown, removeEntries } from "../store/outgrown-signals.ts";
import {
  type Settlement,
  type Signals,
  settlement,
  type Waiter,
  writeWait,
} from "../store/signals.ts";
import { raise } from "./raise-signal.ts";

export type Wait = { signals: Signals; settled: Settlement | undefined };

/**
 * Registers the wait of a workflow state while the state enters its phase. When the signals, or an
 * interrupt, were raised before, the token is completed at once.
 *
 * @throws whatever `entering` throws; the token is then not completed
 */
export async function registerWait<T>(
  id: MigrationId,
  name: string,
  waiter: Waiter,
  entering: Promise<T>,
): Promise<Wait & { entered: T }> {
  const [entered, signals] = await Promise.all([entering, writeWait(id, name, waiter)]);
  await removeEntries(id, "waiting", outgrown(signals.waiting));
  const settled = settlement(waiter, signals);
  if (settled !== undefined) await raise({ do: "settle", migrationId: id, wait: name });
  return { entered, signals, settled };
}
