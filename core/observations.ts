import type { Evacuation } from "./evacuation/evacuation.ts";
import type { VersionReason } from "./evacuation/version.ts";
import type { CountedName, Labels } from "./metrics.ts";
import type { Migration } from "./migration/migration.ts";
import type { OccurrenceRun } from "./schedule/schedule.ts";

/** An addition to a counter, or one value of a histogram. */
export type Observation = {
  readonly metric: CountedName;
  readonly labels: Labels;
  readonly value: number;
};

type Ended = Omit<Migration, "twinCheck">;

/** What only the workflow's own record tells of the way back. */
type WayBack = {
  /** One for each turn. */
  readonly decisions?: readonly { readonly action: string }[];
  /** Set once a broken postcopy has been prepared to go on. */
  readonly recoveryUri?: string | null | undefined;
};

/** What one ended migration adds. */
export function observationsOf(migration: Ended, wayBack: WayBack = {}): Observation[] {
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
  for (const { action: decision } of wayBack.decisions ?? []) {
    add("switchyard_reconcile_decisions_total", 1, { decision });
  }
  if (wayBack.recoveryUri !== undefined) {
    add("switchyard_postcopy_recoveries_total", 1, { outcome });
  }
  for (const { phase, seconds } of phaseTimes(migration)) {
    add("switchyard_migration_phase_duration_seconds", seconds, { phase });
    if (phase === "await-ack") addAckWait(migration, seconds, add);
  }
  if (outcome === "completed") addFigures(migration, add);
  return found;
}

type Add = (metric: CountedName, value: number | undefined, labels?: Labels) => void;

/** Without an ACK to wait for the phase is passed through, and is no wait. */
function addAckWait({ ack, policy, failure }: Ended, seconds: number, add: Add): void {
  if (ack === undefined || ack.mode === "none") return;
  add("switchyard_ack_wait_seconds", seconds, { mode: ack.mode });
  const { deadlineMs, onTimeout } = policy.ack;
  // With `hold` the wait goes on: only its length tells.
  const isLate =
    failure?.code === "ack-timeout" || (onTimeout === "hold" && seconds * 1000 > deadlineMs);
  if (isLate) add("switchyard_ack_timeouts_total", 1, { policy: onTimeout });
}

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
  readonly counters?: Evacuation["counters"];
  readonly eta: Pick<Evacuation["eta"], "ratio" | "realMs" | "halfwayEndMs">;
};

/** What the end of an evacuation adds. */
export function observationsOfEvacuation(ended: EndedEvacuation): Observation[] {
  const { status: outcome, eta } = ended;
  const found: Observation[] = [
    { metric: "switchyard_evacuations_total", labels: { outcome }, value: 1 },
    ...vmsOf(ended),
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

/** VMs that were never tried, as after a cancellation, are counted as they were left. */
function vmsOf({ counters }: EndedEvacuation): Observation[] {
  if (counters === undefined) return [];
  const { total, ...states } = counters;
  return Object.entries(states).flatMap(([outcome, value]) =>
    value === 0 ? [] : { metric: "switchyard_evacuation_vms_total", labels: { outcome }, value },
  );
}

/** What another version of a plan adds. */
export function observationsOfReplan(reason: VersionReason): Observation[] {
  return [{ metric: "switchyard_evacuation_replans_total", labels: { reason }, value: 1 }];
}

/** What the opening of a window adds. */
export function observationsOfWindow({ outcome, lateMs }: OccurrenceRun): Observation[] {
  return [
    { metric: "switchyard_schedule_windows_total", labels: { outcome }, value: 1 },
    { metric: "switchyard_schedule_window_late_seconds", labels: {}, value: lateMs / 1000 },
  ];
}

/** What windows add that nobody has opened. */
export function observationsOfMissed(count: number): Observation[] {
  const labels = { outcome: "missed" };
  return [{ metric: "switchyard_schedule_windows_total", labels, value: count }];
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
