import type { EvacuationStatus } from "../../core/evacuation/evacuation.ts";
import type { Labels, ReadName } from "../../core/metrics.ts";
import type { Migration } from "../../core/migration/migration.ts";
import type { Reading } from "../../core/open-metrics.ts";
import type { Host } from "../../core/protocol/host.ts";
import packageJson from "../../package.json" with { type: "json" };
import type { StoredSchedule } from "../store/schedules.ts";
import { nextStartOf } from "./arm-schedule.ts";
import type { WebhookState } from "./read-webhook-state.ts";

type Add = (metric: ReadName, value: number | undefined, labels?: Labels) => void;

function collect(into: (add: Add) => void): Reading[] {
  const readings: Reading[] = [];
  into((metric, value, labels = {}) => {
    if (value !== undefined) readings.push({ metric, labels, value });
  });
  return readings;
}

/** One value for each group of what is listed. */
function addCounts<T>(add: Add, metric: ReadName, some: readonly T[], label: (one: T) => Labels) {
  const groups = Map.groupBy(some, (one) => JSON.stringify(label(one)));
  for (const members of groups.values()) {
    const [first] = members;
    if (first !== undefined) add(metric, members.length, label(first));
  }
}

type Fleet = {
  /** `vms`: how many; absent where nobody has counted them. */
  readonly hosts: readonly (Host & { readonly vms?: number })[];
  readonly migrations: readonly Pick<Migration, "status" | "phase" | "createdAt">[];
};

/** What a snapshot of the fleet says now. `migrations`: running or unknown, the newest first. */
export function fleetReadings({ hosts, migrations }: Fleet): Reading[] {
  return collect((add) => {
    add("switchyard_build_info", 1, { version: packageJson.version });
    addCounts(add, "switchyard_hosts", hosts, ({ state }) => ({ state }));
    add("switchyard_hosts_silent", hosts.filter(({ state }) => state === "silent").length);
    for (const host of hosts) addHost(add, host);
    const running = migrations.filter(({ status }) => status === "running");
    add("switchyard_vms_unknown", migrations.length - running.length);
    addCounts(add, "switchyard_migrations_in_flight", running, ({ phase }) => ({ phase }));
    const waiting = running.filter(({ phase }) => phase === "admit");
    add("switchyard_migrations_waiting", waiting.length);
    add(
      "switchyard_migration_oldest_waiting_timestamp_seconds",
      seconds(waiting.at(-1)?.createdAt),
    );
  });
}

function addHost(
  add: Add,
  { id: host, vms, usage, slotsOut, slotsIn, lastEventAt }: Fleet["hosts"][number],
) {
  add("switchyard_vms", vms, { host });
  add("switchyard_host_last_event_timestamp_seconds", seconds(lastEventAt), { host });
  add("switchyard_host_memory_total_bytes", usage?.memoryBytes, { host });
  add("switchyard_host_memory_reserved_bytes", usage?.reservedBytes, { host });
  add("switchyard_host_slots_used", usage?.outgoing, { host, direction: "out" });
  add("switchyard_host_slots_used", usage?.incoming, { host, direction: "in" });
  add("switchyard_host_slots_limit", slotsOut, { host, direction: "out" });
  add("switchyard_host_slots_limit", slotsIn, { host, direction: "in" });
}

/** Of those that have not ended. */
export function evacuationReadings(statuses: readonly EvacuationStatus[]): Reading[] {
  return collect((add) =>
    addCounts(add, "switchyard_evacuations", statuses, (status) => ({ status })),
  );
}

export function scheduleReadings(schedules: readonly StoredSchedule[]): Reading[] {
  return collect((add) => {
    addCounts(add, "switchyard_schedules", schedules, ({ paused }) => ({
      state: paused === undefined ? "active" : "paused",
    }));
    const [next] = schedules.flatMap((one) => nextStartOf(one) ?? []).toSorted();
    add("switchyard_schedule_next_window_timestamp_seconds", seconds(next));
  });
}

export function webhookReadings({ webhooks, deliveredUntil }: WebhookState): Reading[] {
  return collect((add) => {
    addCounts(add, "switchyard_webhooks", webhooks, ({ status }) => ({ status }));
    add("switchyard_webhook_delivered_until_timestamp_seconds", seconds(deliveredUntil));
  });
}

/** Undefined: the queue did not answer. */
export function deadLetterReadings(count: number | undefined): Reading[] {
  return collect((add) => add("switchyard_dead_letters", count));
}

function seconds(instant: string | undefined): number | undefined {
  return instant === undefined ? undefined : Date.parse(instant) / 1000;
}
