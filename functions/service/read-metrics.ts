import { countedMetrics, type Labels, type ReadName, readMetrics } from "../../core/metrics.ts";
import { openMetricsText, type Reading } from "../../core/open-metrics.ts";
import packageJson from "../../package.json" with { type: "json" };
import { readSums } from "../store/counters.ts";
import { type FleetOverview, readFleetOverview } from "./read-fleet-overview.ts";
import { readWebhookState, type WebhookState } from "./read-webhook-state.ts";

/** The metrics of the fleet as OpenMetrics text. */
export async function metricsText(): Promise<string> {
  const [sums, fleet, state] = await Promise.all([
    readSums(),
    readFleetOverview(),
    readWebhookState(),
  ]);
  const readings = [...readingsOf(fleet), ...webhookReadings(state)];
  return openMetricsText(sums, readings, { ...readMetrics, ...countedMetrics });
}

function webhookReadings({ webhooks, deliveredUntil }: WebhookState): Reading[] {
  const counts = Map.groupBy(webhooks, ({ status }) => status);
  const readings: Reading[] = [...counts].map(([status, some]) => ({
    metric: "switchyard_webhooks" satisfies ReadName,
    labels: { status },
    value: some.length,
  }));
  if (deliveredUntil === undefined) return readings;
  const metric = "switchyard_webhook_delivered_until_timestamp_seconds" satisfies ReadName;
  return [...readings, { metric, labels: {}, value: Date.parse(deliveredUntil) / 1000 }];
}

/** What a snapshot of the fleet says now. */
export function readingsOf({ hosts, migrations }: FleetOverview): Reading[] {
  const readings: Reading[] = [];
  const add = (metric: ReadName, value: number | undefined, labels: Labels = {}) => {
    if (value !== undefined) readings.push({ metric, labels, value });
  };
  add("switchyard_build_info", 1, { version: packageJson.version });
  for (const [state, some] of Map.groupBy(hosts, (host) => host.state)) {
    add("switchyard_hosts", some.length, { state });
  }
  for (const { id: host, vms, usage, slotsOut, slotsIn, lastEventAt } of hosts) {
    add("switchyard_vms", vms, { host });
    if (lastEventAt !== undefined) {
      const seconds = Date.parse(lastEventAt) / 1000;
      add("switchyard_host_last_event_timestamp_seconds", seconds, { host });
    }
    add("switchyard_host_memory_total_bytes", usage?.memoryBytes, { host });
    add("switchyard_host_memory_reserved_bytes", usage?.reservedBytes, { host });
    add("switchyard_host_slots_used", usage?.outgoing, { host, direction: "out" });
    add("switchyard_host_slots_used", usage?.incoming, { host, direction: "in" });
    add("switchyard_host_slots_limit", slotsOut, { host, direction: "out" });
    add("switchyard_host_slots_limit", slotsIn, { host, direction: "in" });
  }
  const running = migrations.filter(({ status }) => status === "running");
  add("switchyard_vms_unknown", migrations.length - running.length);
  for (const [phase, some] of Map.groupBy(running, (migration) => migration.phase)) {
    add("switchyard_migrations_in_flight", some.length, { phase });
  }
  // Newest first: the last one is the oldest.
  const waiting = running.findLast(({ phase }) => phase === "admit");
  if (waiting !== undefined) {
    const seconds = Date.parse(waiting.createdAt) / 1000;
    add("switchyard_migration_oldest_waiting_timestamp_seconds", seconds);
  }
  return readings;
}
