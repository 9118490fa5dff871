import type { Dashboard, Panel } from "./panel.ts";

const rate = (metric: string, by = "") =>
  `sum${by === "" ? "" : ` by (${by})`} (increase(${metric}[$__rate_interval]))`;
const share = (quantile: number, metric: string, range = "$__rate_interval") =>
  `histogram_quantile(${quantile}, sum by (le) (increase(${metric}_bucket[${range}])))`;

/** Median and 99th percentile of a histogram. */
const spread = (metric: string): Panel["queries"] => [
  ["median", share(0.5, metric)],
  ["p99", share(0.99, metric)],
];

type Figure = Omit<Panel, "type" | "width" | "height">;
const figure = (panel: Figure): Panel => ({ ...panel, type: "stat", width: 4, height: 4 });
const chart = (panel: Omit<Panel, "type" | "height" | "width">): Panel => ({
  ...panel,
  type: "timeseries",
  width: 12,
  height: 8,
});

const fleet: Dashboard = {
  name: "fleet",
  title: "fleet",
  panels: [
    figure({
      title: "VMs nobody can place",
      description: "A person must look: docs/operate/unknown.md",
      unit: "none",
      queries: [["", "switchyard_vms_unknown"]],
      limits: { bad: 1 },
    }),
    figure({
      title: "Silent hosts",
      description: "Nothing can be moved from or to them",
      unit: "none",
      queries: [["", "switchyard_hosts_silent"]],
      limits: { bad: 1 },
    }),
    figure({
      title: "Dead letters",
      description: "Commands that no agent could take",
      unit: "none",
      queries: [["", "switchyard_dead_letters"]],
      limits: { bad: 1 },
    }),
    figure({
      title: "Running migrations",
      description: "All phases",
      unit: "none",
      queries: [["", "sum(switchyard_migrations_in_flight) or vector(0)"]],
    }),
    figure({
      title: "Waiting migrations",
      description: "They wait for a slot, or for memory",
      unit: "none",
      queries: [["", "switchyard_migrations_waiting"]],
    }),
    figure({
      title: "Next window",
      description: "Of any schedule",
      unit: "dateTimeFromNow",
      queries: [["", "1000 * switchyard_schedule_next_window_timestamp_seconds"]],
    }),
    chart({
      title: "Hosts",
      description: "By state",
      unit: "none",
      queries: [["{{state}}", "switchyard_hosts"]],
    }),
    chart({
      title: "Migrations in flight",
      description: "By phase of the workflow",
      unit: "none",
      queries: [["{{phase}}", "switchyard_migrations_in_flight"]],
    }),
    chart({
      title: "Memory in use",
      description: "Of guests on a host and on their way to it, as a share of what it has",
      unit: "percentunit",
      queries: [
        ["{{host}}", "switchyard_host_memory_reserved_bytes / switchyard_host_memory_total_bytes"],
      ],
    }),
    chart({
      title: "Slots in use",
      description: "Of the fleet, as a share of all",
      unit: "percentunit",
      queries: [
        [
          "{{direction}}",
          "sum by (direction) (switchyard_host_slots_used) / sum by (direction) (switchyard_host_slots_limit)",
        ],
      ],
    }),
    chart({
      title: "Last heard",
      description: "Time since each host's agent was heard; 30 s is usual",
      unit: "s",
      queries: [["{{host}}", "time() - switchyard_host_last_event_timestamp_seconds"]],
    }),
    chart({
      title: "Webhooks",
      description: "Tries by outcome, and how late the oldest waiting event is",
      unit: "short",
      queries: [
        ["{{outcome}}", rate("switchyard_webhook_deliveries_total", "outcome")],
        ["late, s", "time() - switchyard_webhook_delivered_until_timestamp_seconds"],
      ],
    }),
    chart({
      title: "Agents: events that wait",
      description: "From the agents' own files: docs/operate/metrics.md",
      unit: "short",
      queries: [["{{instance}}", "switchyard_agent_events_queued"]],
    }),
    chart({
      title: "Agents: QEMUs of others",
      description: "Guests that nobody has brought in yet",
      unit: "none",
      queries: [["{{owner}}", "sum by (owner) (switchyard_agent_other_qemus)"]],
    }),
  ],
};

const migrations: Dashboard = {
  name: "migrations",
  title: "migrations",
  panels: [
    chart({
      title: "Ended",
      description: "By outcome",
      unit: "short",
      queries: [["{{outcome}}", rate("switchyard_migrations_total", "outcome")]],
    }),
    chart({
      title: "Failures",
      description: "By code: docs/reference/failures.md has the cures",
      unit: "short",
      queries: [["{{code}}", rate("switchyard_migration_failures_total", "code")]],
    }),
    {
      title: "Downtime",
      description: "By QEMU's own figure",
      type: "heatmap",
      unit: "s",
      width: 12,
      height: 9,
      queries: [["{{le}}", rate("switchyard_migration_downtime_seconds_bucket", "le")]],
    },
    {
      ...chart({
        title: "Downtime and blackout",
        description: "Blackout: from STOP on the source to the guest's arrival on the target",
        unit: "s",
        queries: [
          ...spread("switchyard_migration_downtime_seconds"),
          ["blackout p99", share(0.99, "switchyard_migration_blackout_seconds")],
        ],
      }),
      height: 9,
    },
    chart({
      title: "Real against expected downtime",
      description: "1: as expected; above: the guest stood still for longer",
      unit: "none",
      queries: spread("switchyard_migration_downtime_prediction_ratio"),
    }),
    chart({
      title: "Downtime against budget",
      description: "Above 1 the policy's budget was exceeded",
      unit: "percentunit",
      queries: spread("switchyard_migration_budget_ratio"),
    }),
    chart({
      title: "Duration",
      description: "From the request to the recorded end",
      unit: "s",
      queries: spread("switchyard_migration_duration_seconds"),
    }),
    chart({
      title: "Time in phases",
      description: "Mean of each phase of the workflow",
      unit: "s",
      queries: [
        [
          "{{phase}}",
          "sum by (phase) (increase(switchyard_migration_phase_duration_seconds_sum[$__rate_interval])) / sum by (phase) (increase(switchyard_migration_phase_duration_seconds_count[$__rate_interval]))",
        ],
      ],
    }),
    chart({
      title: "Overhead",
      description: "Duration without QEMU's time and the start of the target",
      unit: "s",
      queries: spread("switchyard_migration_overhead_seconds"),
    }),
    chart({
      title: "Waits for the ACK",
      description: "And how many missed the policy's deadline",
      unit: "s",
      queries: [
        ...spread("switchyard_ack_wait_seconds"),
        ["missed", rate("switchyard_ack_timeouts_total")],
      ],
    }),
    chart({
      title: "Convergence",
      description: "Rungs of ladders that were climbed, and passes over RAM",
      unit: "short",
      queries: [
        ["{{action}}", rate("switchyard_convergence_rungs_total", "action")],
        ["passes, median", share(0.5, "switchyard_migration_passes")],
      ],
    }),
    chart({
      title: "The way back",
      description: "Decisions after a failure, and recoveries of postcopy",
      unit: "short",
      queries: [
        ["{{decision}}", rate("switchyard_reconcile_decisions_total", "decision")],
        ["recoveries", rate("switchyard_postcopy_recoveries_total")],
      ],
    }),
    chart({
      title: "RAM sent",
      description: "By completed migrations",
      unit: "bytes",
      queries: [["RAM", rate("switchyard_migration_transferred_bytes_total")]],
    }),
  ],
};

const evacuations: Dashboard = {
  name: "evacuations",
  title: "evacuations and schedules",
  panels: [
    chart({
      title: "Open evacuations",
      description: "By status",
      unit: "none",
      queries: [["{{status}}", "switchyard_evacuations"]],
    }),
    chart({
      title: "Ended evacuations",
      description: "By outcome",
      unit: "short",
      queries: [["{{outcome}}", rate("switchyard_evacuations_total", "outcome")]],
    }),
    chart({
      title: "Real time against the lower bound",
      description: "1: no schedule of the same moves is shorter",
      unit: "none",
      queries: spread("switchyard_evacuation_makespan_ratio"),
    }),
    chart({
      title: "Error of the predicted end",
      description: "As it was predicted at half-way",
      unit: "percentunit",
      queries: spread("switchyard_evacuation_eta_error_ratio"),
    }),
    chart({
      title: "VMs",
      description: "Of ended evacuations, by what became of them",
      unit: "short",
      queries: [["{{outcome}}", rate("switchyard_evacuation_vms_total", "outcome")]],
    }),
    chart({
      title: "New versions of plans",
      description: "By why they were made",
      unit: "short",
      queries: [["{{reason}}", rate("switchyard_evacuation_replans_total", "reason")]],
    }),
    chart({
      title: "Windows",
      description: "Of schedules, by what became of them",
      unit: "short",
      queries: [["{{outcome}}", rate("switchyard_schedule_windows_total", "outcome")]],
    }),
    chart({
      title: "Windows opened late",
      description: "From the start of a window to its opening",
      unit: "s",
      queries: spread("switchyard_schedule_window_late_seconds"),
    }),
  ],
};

/** All dashboards; `npm run ops:grafana` writes them into ops/grafana. */
export const dashboards: readonly Dashboard[] = [fleet, migrations, evacuations];
