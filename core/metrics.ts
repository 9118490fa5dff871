import type { Evacuation } from "./evacuation/evacuation.ts";
import type { Migration } from "./migration/migration.ts";

/** What a metric is: the only place that names it. docs/reference/metrics.md lists the same. */
export type Metric = {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Names of its labels; none takes the id of a VM or a migration. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets; +Inf follows. */
  readonly buckets?: readonly number[];
};

const downtimeBuckets = [
  0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60,
];

/** Counted in the table: each migration and evacuation at its end, and each try of a delivery. */
export const countedMetrics = {
  switchyard_migrations_total: {
    type: "counter",
    help: "Migrations that have ended",
    labels: ["outcome"],
  },
  switchyard_migration_failures_total: {
    type: "counter",
    help: "Migrations that did not complete, by the code of the failure and the phase it came in",
    labels: ["code", "phase"],
  },
  switchyard_migration_transferred_bytes_total: {
    type: "counter",
    help: "Bytes of RAM that completed migrations sent",
    labels: [],
  },
  switchyard_convergence_rungs_total: {
    type: "counter",
    help: "Rungs of convergence ladders that were climbed",
    labels: ["action"],
  },
  switchyard_migration_downtime_seconds: {
    type: "histogram",
    help: "Downtime by QEMU's own figure: STOP to the end of the migration on the source",
    labels: ["ack"],
    buckets: downtimeBuckets,
  },
  switchyard_migration_blackout_seconds: {
    type: "histogram",
    help: "From STOP on the source to the guest's arrival on the target",
    labels: [],
    buckets: downtimeBuckets,
  },
  switchyard_migration_downtime_prediction_ratio: {
    type: "histogram",
    help: "Measured downtime divided by the longest that was expected",
    labels: ["learned"],
    buckets: [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 10],
  },
  switchyard_migration_budget_ratio: {
    type: "histogram",
    help: "Measured downtime divided by the policy's budget",
    labels: [],
    buckets: [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.5, 2, 5],
  },
  switchyard_migration_duration_seconds: {
    type: "histogram",
    help: "From the request to the recorded end",
    labels: ["outcome"],
    buckets: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600],
  },
  switchyard_migration_phase_duration_seconds: {
    type: "histogram",
    help: "Time in a phase of the workflow",
    labels: ["phase"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200],
  },
  switchyard_migration_overhead_seconds: {
    type: "histogram",
    help: "Duration without QEMU's total time and the start of the target's QEMU",
    labels: [],
    buckets: [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5],
  },
  switchyard_migration_passes: {
    type: "histogram",
    help: "Passes over RAM of completed migrations",
    labels: [],
    buckets: [1, 2, 3, 5, 8, 13, 21, 34],
  },
  switchyard_evacuations_total: {
    type: "counter",
    help: "Evacuations that have ended; one that goes on for a retry or a rollback ends again",
    labels: ["outcome"],
  },
  switchyard_evacuation_makespan_ratio: {
    type: "histogram",
    help: "Real time of a completed evacuation, pauses and waits included, divided by the bound",
    labels: [],
    buckets: [1, 1.02, 1.05, 1.1, 1.15, 1.25, 1.5, 2, 3, 5, 10],
  },
  switchyard_evacuation_eta_error_ratio: {
    type: "histogram",
    help: "How far the end predicted at half-way was off, divided by the real time",
    labels: [],
    buckets: [0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1],
  },
  switchyard_webhook_deliveries_total: {
    type: "counter",
    help: "Tries to deliver an event to a webhook; a failed one is followed by another",
    labels: ["outcome"],
  },
  switchyard_webhook_delivery_delay_seconds: {
    type: "histogram",
    help: "From an event to its delivery",
    labels: [],
    buckets: [1, 5, 15, 30, 60, 120, 300, 1800, 7200, 43_200, 259_200],
  },
} as const satisfies Record<string, Metric>;

/** Read from the table when they are asked for. */
export const readMetrics = {
  switchyard_build_info: {
    type: "gauge",
    help: "The control plane's version, as a label of the value 1",
    labels: ["version"],
  },
  switchyard_hosts: { type: "gauge", help: "Hosts by state", labels: ["state"] },
  switchyard_vms: { type: "gauge", help: "VMs by the host of their record", labels: ["host"] },
  switchyard_vms_unknown: {
    type: "gauge",
    help: "VMs of which nobody knows where they run: a person is needed",
    labels: [],
  },
  switchyard_host_last_event_timestamp_seconds: {
    type: "gauge",
    help: "When a host's agent was heard last",
    labels: ["host"],
  },
  switchyard_host_memory_total_bytes: {
    type: "gauge",
    help: "Memory for guests, as the agent reported it",
    labels: ["host"],
  },
  switchyard_host_memory_reserved_bytes: {
    type: "gauge",
    help: "Memory of guests on a host and on their way to it",
    labels: ["host"],
  },
  switchyard_host_slots_used: {
    type: "gauge",
    help: "Migrations that hold a slot",
    labels: ["host", "direction"],
  },
  switchyard_host_slots_limit: {
    type: "gauge",
    help: "Migrations that may hold a slot at the same time",
    labels: ["host", "direction"],
  },
  switchyard_migrations_in_flight: {
    type: "gauge",
    help: "Running migrations by phase",
    labels: ["phase"],
  },
  switchyard_migration_oldest_waiting_timestamp_seconds: {
    type: "gauge",
    help: "When the oldest migration that waits for its turn was requested; absent: none waits",
    labels: [],
  },
  switchyard_webhooks: {
    type: "gauge",
    help: "Webhooks by status; to a disabled one nothing is delivered until a person enables it",
    labels: ["status"],
  },
  switchyard_webhook_delivered_until_timestamp_seconds: {
    type: "gauge",
    help: "Events before have been delivered or given up; absent: no webhook is enabled",
    labels: [],
  },
} as const satisfies Record<string, Metric>;

export type CountedName = keyof typeof countedMetrics;
export type ReadName = keyof typeof readMetrics;
export type Labels = Readonly<Record<string, string>>;

/** An addition to a counter, or one value of a histogram. */
export type Observation = {
  readonly metric: CountedName;
  readonly labels: Labels;
  readonly value: number;
};

type Ended = Omit<Migration, "twinCheck">;

/** What one ended migration adds. */
export function observationsOf(migration: Ended): Observation[] {
  const found: Observation[] = [];
  const add = (metric: CountedName, value: number | undefined, labels: Labels = {}) => {
    if (value !== undefined && Number.isFinite(value)) found.push({ metric, labels, value });
  };
  const { status: outcome, failure, createdAt, endedAt, rungs = [] } = migration;
  add("switchyard_migrations_total", 1, { outcome });
  if (failure !== undefined && outcome !== "completed") {
    const { code, phase } = failure;
    add("switchyard_migration_failures_total", 1, { code, phase });
  }
  if (endedAt !== undefined) {
    const seconds = (Date.parse(endedAt) - Date.parse(createdAt)) / 1000;
    add("switchyard_migration_duration_seconds", Math.max(0, seconds), { outcome });
  }
  for (const { action } of rungs) add("switchyard_convergence_rungs_total", 1, { action });
  for (const { phase, seconds } of phaseTimes(migration)) {
    add("switchyard_migration_phase_duration_seconds", seconds, { phase });
  }
  if (outcome === "completed") addFigures(migration, add);
  return found;
}

type Add = (metric: CountedName, value: number | undefined, labels?: Labels) => void;

function addFigures(migration: Ended, add: Add): void {
  const { figures, prediction, policy, blackoutMs, ack, targetStartMs } = migration;
  add("switchyard_migration_blackout_seconds", inSeconds(blackoutMs));
  if (figures === undefined) return;
  const { downtimeMs, totalTimeMs, progress } = figures;
  const mode = ack?.mode ?? "none";
  add("switchyard_migration_downtime_seconds", downtimeMs / 1000, { ack: mode });
  if (prediction !== undefined && prediction.downtimeMs > 0) {
    const learned = prediction.learnedFrom === undefined ? "no" : "yes";
    const ratio = downtimeMs / prediction.downtimeMs;
    add("switchyard_migration_downtime_prediction_ratio", ratio, { learned });
  }
  if (policy.downtimeBudgetMs !== undefined) {
    add("switchyard_migration_budget_ratio", downtimeMs / policy.downtimeBudgetMs);
  }
  add("switchyard_migration_transferred_bytes_total", progress.ramTransferredBytes);
  add("switchyard_migration_passes", progress.dirtySyncCount);
  if (migration.endedAt !== undefined && targetStartMs !== undefined) {
    const tookMs = Date.parse(migration.endedAt) - Date.parse(migration.createdAt);
    const overheadMs = Math.max(0, tookMs - totalTimeMs - targetStartMs);
    add("switchyard_migration_overhead_seconds", overheadMs / 1000);
  }
}

type EndedEvacuation = Pick<Evacuation, "status"> & {
  readonly eta: Pick<Evacuation["eta"], "ratio" | "realMs" | "halfwayEndMs">;
};

/** What the end of an evacuation adds. */
export function observationsOfEvacuation(ended: EndedEvacuation): Observation[] {
  const { status: outcome, eta } = ended;
  const found: Observation[] = [
    { metric: "switchyard_evacuations_total", labels: { outcome }, value: 1 },
  ];
  if (outcome !== "completed") return found;
  const { ratio, realMs = 0, halfwayEndMs } = eta;
  if (ratio !== undefined) {
    found.push({ metric: "switchyard_evacuation_makespan_ratio", labels: {}, value: ratio });
  }
  if (halfwayEndMs !== undefined && realMs > 0) {
    const value = Math.abs(halfwayEndMs - realMs) / realMs;
    found.push({ metric: "switchyard_evacuation_eta_error_ratio", labels: {}, value });
  }
  return found;
}

/** How one try to deliver an event has ended; `given-up`: no other follows. */
export type DeliveryOutcome = "delivered" | "failed" | "given-up";

/** What one try adds. */
export function observationsOfTry(outcome: DeliveryOutcome, delayMs: number): Observation[] {
  const tried = {
    metric: "switchyard_webhook_deliveries_total",
    labels: { outcome },
    value: 1,
  } as const;
  if (outcome !== "delivered") return [tried];
  const value = Math.max(0, delayMs) / 1000;
  return [tried, { metric: "switchyard_webhook_delivery_delay_seconds", labels: {}, value }];
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

/** A phase ends when the next begins, the last one with the migration. */
function phaseTimes({ phases, endedAt, updatedAt }: Ended) {
  return phases.map(({ name, startedAt }, place) => {
    const until = phases[place + 1]?.startedAt ?? endedAt ?? updatedAt;
    const ms = Date.parse(until) - Date.parse(startedAt);
    return { phase: name, seconds: Math.max(0, ms) / 1000 };
  });
}
