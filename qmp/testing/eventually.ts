import { vi } from "vitest";

/** Waits until `check` no longer throws; patient, because a busy machine is not a failure. */
export function eventually<Value>(check: () => Value | Promise<Value>): Promise<Value> {
  return vi.waitFor(check, { timeout: 15_000, interval: 10 });
}
