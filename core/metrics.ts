/** What a metric is: the only place that names it. docs/reference/metrics.md lists the same. */
export type Metric = {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Names of its labels; none takes the id of a VM or a migration. */
  readonly labels: readonly string[];
  /** Its name in the table: it is never given to another one. Only of those that are counted there. */
  readonly short?: string;
  /** Upper bounds of a histogram's buckets; +Inf follows. */
  readonly buckets?: readonly number[];
};

const downtimeBuckets = [
  0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60,
];

/** Counted in the table as it happens: an end, a new version of a plan, a window, a delivery. */
export const countedMetrics = {
  switchyard_migrations_total: {
    short: "m",
    type: "counter",
    help: "Migrations that have ended",
    labels: ["outcome"],
  },
  switchyard_migration_failures_total: {
    short: "mf",
    type: "counter",
    help: "Migrations that did not complete, by the code of the failure and the phase it came in",
    labels: ["code", "phase"],
  },
  switchyard_migration_transferred_bytes_total: {
    short: "mb",
    type: "counter",
    help: "Bytes of RAM that completed migrations sent",
    labels: [],
  },
  switchyard_convergence_rungs_total: {
    short: "cr",
    type: "counter",
    help: "Rungs of convergence ladders that were climbed",
    labels: ["action"],
  },
  switchyard_migration_downtime_seconds: {
    short: "md",
    type: "histogram",
    help: "Downtime by QEMU's own figure: STOP to the end of the migration on the source",
    labels: ["ack"],
    buckets: downtimeBuckets,
  },
  switchyard_migration_blackout_seconds: {
    short: "mk",
    type: "histogram",
    help: "From STOP on the source to the guest's arrival on the target",
    labels: [],
    buckets: downtimeBuckets,
  },
  switchyard_migration_downtime_prediction_ratio: {
    short: "mr",
    type: "histogram",
    help: "Measured downtime divided by the longest that was expected",
    labels: ["learned"],
    buckets: [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 10],
  },
  switchyard_migration_budget_ratio: {
    short: "mg",
    type: "histogram",
    help: "Measured downtime divided by the policy's budget",
    labels: [],
    buckets: [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.5, 2, 5],
  },
  switchyard_migration_duration_seconds: {
    short: "mt",
    type: "histogram",
    help: "From the request to the recorded end",
    labels: ["outcome"],
    buckets: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600],
  },
  switchyard_migration_phase_duration_seconds: {
    short: "mp",
    type: "histogram",
    help: "Time in a phase of the workflow",
    labels: ["phase"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200],
  },
  switchyard_migration_overhead_seconds: {
    short: "mo",
    type: "histogram",
    help: "Duration without QEMU's total time and the start of the target's QEMU",
    labels: [],
    buckets: [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5],
  },
  switchyard_migration_passes: {
    short: "mn",
    type: "histogram",
    help: "Passes over RAM of completed migrations",
    labels: [],
    buckets: [1, 2, 3, 5, 8, 13, 21, 34],
  },
  switchyard_ack_wait_seconds: {
    short: "aw",
    type: "histogram",
    help: "How long migrations waited for the switchover ACK, after all else was ready",
    labels: ["mode"],
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300],
  },
  switchyard_ack_timeouts_total: {
    short: "at",
    type: "counter",
    help: "ACKs that missed the policy's deadline, by what the policy does then",
    labels: ["policy"],
  },
  switchyard_reconcile_decisions_total: {
    short: "rd",
    type: "counter",
    help: "Decisions on the way back of migrations that have ended, one for each turn",
    labels: ["decision"],
  },
  switchyard_postcopy_recoveries_total: {
    short: "pr",
    type: "counter",
    help: "Migrations whose postcopy broke and was prepared to go on, by how they ended",
    labels: ["outcome"],
  },
  switchyard_evacuations_total: {
    short: "e",
    type: "counter",
    help: "Evacuations that have ended; one that goes on for a retry or a rollback ends again",
    labels: ["outcome"],
  },
  switchyard_evacuation_makespan_ratio: {
    short: "em",
    type: "histogram",
    help: "Real time of a completed evacuation, pauses and waits included, divided by the bound",
    labels: [],
    buckets: [1, 1.02, 1.05, 1.1, 1.15, 1.25, 1.5, 2, 3, 5, 10],
  },
  switchyard_evacuation_eta_error_ratio: {
    short: "ee",
    type: "histogram",
    help: "How far the end predicted at half-way was off, divided by the real time",
    labels: [],
    buckets: [0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1],
  },
  switchyard_evacuation_vms_total: {
    short: "ev",
    type: "counter",
    help: "VMs of evacuations that have ended, by what became of them",
    labels: ["outcome"],
  },
  switchyard_evacuation_replans_total: {
    short: "er",
    type: "counter",
    help: "Versions of plans after the first, by why they were made",
    labels: ["reason"],
  },
  switchyard_schedule_windows_total: {
    short: "sw",
    type: "counter",
    help: "Windows of schedules, by what became of them; missed: nobody opened it",
    labels: ["outcome"],
  },
  switchyard_schedule_window_late_seconds: {
    short: "sl",
    type: "histogram",
    help: "From the start of a window to its opening",
    labels: [],
    buckets: [1, 5, 15, 60, 120, 300, 900, 3600],
  },
  switchyard_webhook_deliveries_total: {
    short: "wd",
    type: "counter",
    help: "Tries to deliver an event to a webhook; a failed one is followed by another",
    labels: ["outcome"],
  },
  switchyard_webhook_delivery_delay_seconds: {
    short: "wl",
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
  switchyard_hosts_silent: {
    type: "gauge",
    help: "Hosts that should be heard, and are not: nothing can be moved from or to them",
    labels: [],
  },
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
  switchyard_migrations_waiting: {
    type: "gauge",
    help: "Migrations that wait for their turn",
    labels: [],
  },
  switchyard_migration_oldest_waiting_timestamp_seconds: {
    type: "gauge",
    help: "When the oldest migration that waits for its turn was requested; absent: none waits",
    labels: [],
  },
  switchyard_evacuations: {
    type: "gauge",
    help: "Evacuations that have not ended, by status",
    labels: ["status"],
  },
  switchyard_schedules: {
    type: "gauge",
    help: "Schedules; of a paused one no window opens",
    labels: ["state"],
  },
  switchyard_schedule_next_window_timestamp_seconds: {
    type: "gauge",
    help: "Start of the next window of any schedule; absent: there is none",
    labels: [],
  },
  switchyard_dead_letters: {
    type: "gauge",
    help: "Commands that no agent could take and nobody has looked at; kept for 14 days",
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

/** Written by each agent for its own host; Prometheus adds which one that is. */
export const agentMetrics = {
  switchyard_agent_build_info: {
    type: "gauge",
    help: "The agent's version, and that of the QEMU it starts guests with, with the value 1",
    labels: ["version", "qemu"],
  },
  switchyard_agent_start_timestamp_seconds: {
    type: "gauge",
    help: "When the agent's process started",
    labels: [],
  },
  switchyard_agent_connected: {
    type: "gauge",
    help: "1 once the control plane has registered this process, 0 before",
    labels: [],
  },
  switchyard_agent_last_heard_timestamp_seconds: {
    type: "gauge",
    help: "When the control plane answered last; absent: not since the agent started",
    labels: [],
  },
  switchyard_agent_requests_total: {
    type: "counter",
    help: "Requests to the control plane, by how they ended",
    labels: ["outcome"],
  },
  switchyard_agent_events_queued: {
    type: "gauge",
    help: "Events that the control plane has not accepted yet",
    labels: [],
  },
  switchyard_agent_oldest_event_timestamp_seconds: {
    type: "gauge",
    help: "When the oldest of them happened; absent: none waits",
    labels: [],
  },
  switchyard_agent_commands_total: {
    type: "counter",
    help: "Commands of the control plane that were answered",
    labels: ["verb", "outcome"],
  },
  switchyard_agent_guests: {
    type: "gauge",
    help: "Guests of this agent, by QEMU's run state",
    labels: ["run_state"],
  },
  switchyard_agent_guest_qemu: {
    type: "gauge",
    help: "Guests of this agent, by the version of their QEMU",
    labels: ["version"],
  },
  switchyard_agent_guest_memory_bytes: {
    type: "gauge",
    help: "Memory of this agent's guests",
    labels: [],
  },
  switchyard_agent_migrations: {
    type: "gauge",
    help: "Migrations that this host takes part in",
    labels: [],
  },
  switchyard_agent_other_qemus: {
    type: "gauge",
    help: "QEMUs with a guest on this host that are not this agent's, by who has started them",
    labels: ["owner"],
  },
} as const satisfies Record<string, Metric>;

export type CountedName = keyof typeof countedMetrics;
export type ReadName = keyof typeof readMetrics;
export type AgentMetric = keyof typeof agentMetrics;
export type Labels = Readonly<Record<string, string>>;
