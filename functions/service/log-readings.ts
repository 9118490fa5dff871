import type { Reading } from "../../core/open-metrics.ts";
import { config } from "../runtime/config.ts";
import { log } from "../runtime/log.ts";
import { writeEmf } from "../runtime/write-emf.ts";
import { listOpenStatuses } from "../store/evacuations.ts";
import { readHostsAndMigrations } from "./read-fleet-overview.ts";
import { evacuationReadings, fleetReadings } from "./readings.ts";

/** Of each host, and with a sum that says something. */
const ADDED_UP = new Set([
  "switchyard_host_slots_used",
  "switchyard_host_slots_limit",
  "switchyard_host_memory_total_bytes",
  "switchyard_host_memory_reserved_bytes",
]);

/**
 * Logs what the fleet's gauges say now for CloudWatch, if it is wanted; a failure is logged. Hosts are added up: a label that
 * names each host would be paid for by the host.
 */
export async function logReadings(): Promise<void> {
  if (config().metricsNamespace === undefined) return;
  try {
    const [fleet, statuses] = await Promise.all([readHostsAndMigrations(), listOpenStatuses()]);
    writeEmf(withoutHosts([...fleetReadings(fleet), ...evacuationReadings(statuses)]));
  } catch (error) {
    log().warn({ err: error }, "failed to log the fleet's metrics");
  }
}

export function withoutHosts(readings: readonly Reading[]): Reading[] {
  const sums = new Map<string, Reading>();
  for (const { metric, labels, value } of readings) {
    const { host, ...others } = labels;
    if (host !== undefined && !ADDED_UP.has(metric)) continue;
    const key = `${metric} ${JSON.stringify(others)}`;
    const before = sums.get(key)?.value ?? 0;
    sums.set(key, { metric, labels: others, value: before + value });
  }
  return [...sums.values()];
}
