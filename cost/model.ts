import { PROGRESS_INTERVAL_MS, progressIntervalAt } from "../core/migration/progress-interval.ts";
import { scheduledTasks } from "../core/migration/tasks.ts";
import { type Counts, counted } from "./counts.ts";
import { prices } from "./prices.ts";

/** What is not counted in a run is assumed; each value is generous. */
export const assumptions = {
  /** A function's billed time for one invocation, and its memory. */
  taskSeconds: 0.05,
  taskGb: 0.5,
  httpSeconds: 0.03,
  httpGb: 1,
  /** Log of one invocation: Lambda's own three lines. */
  logBytes: 400,
  /** Log of one request: API Gateway's access log. */
  accessLogBytes: 500,
  /** Messages that one receive or delete takes. */
  messagesPerRequest: 1,
  pollSeconds: 20,
  /** The agent's `heartbeatIntervalMs`. */
  heartbeatSeconds: 30,
  alarms: 14,
  ownMetrics: 5,
} as const;

const GB = 1e9;
const MONTH_SECONDS = 30 * 24 * 3600;
const MONTH_MINUTES = 30 * 24 * 60;
const YEAR_MONTHS = 12;
/** A sweep reads the index once, and its cursor; the other scheduled function whether it has work. */
const SWEEP_READ_UNITS = 3;
/** It reads of each host whether it is silent: its record, and when it was heard. */
const SWEEP_READ_UNITS_PER_HOST = 2.1;

/** Dollars, by what they are paid for. */
export type Bill = Readonly<Record<string, number>>;

/** How often a source's agent emits progress in so long a precopy. */
export function progressEvents(seconds: number): number {
  const endMs = seconds * 1_000;
  let events = 0;
  for (let atMs = 0; atMs < endMs; atMs += progressIntervalAt(PROGRESS_INTERVAL_MS, atMs)) {
    events += 1;
  }
  return events;
}

/** The price of one migration with a precopy of so many seconds. */
export function migrationBill(precopySeconds: number): Bill {
  return billOf(plus(counted.migration, counted.progressEvent, progressEvents(precopySeconds)));
}

/** What a fleet costs in a month in which nothing moves. */
export function idleBill(hosts: number): Bill {
  const { pollSeconds, heartbeatSeconds, alarms, ownMetrics, logBytes } = assumptions;
  const heartbeats = hosts * (MONTH_SECONDS / heartbeatSeconds);
  const sweeps = MONTH_MINUTES;
  const calls = scheduledTasks.length * MONTH_MINUTES;
  return {
    "SQS: long polls": hosts * (MONTH_SECONDS / pollSeconds) * prices.sqsRequest,
    "API Gateway, Lambda, DynamoDB and logs: heartbeats":
      heartbeats * total(billOf(counted.heartbeat)),
    "Lambda, Scheduler, DynamoDB and logs: sweeps":
      calls * (prices.scheduledCall + taskPrice() + (logBytes / GB) * prices.logGb) +
      sweeps * (SWEEP_READ_UNITS + hosts * SWEEP_READ_UNITS_PER_HOST) * prices.readUnit,
    "CloudWatch: alarms, metrics, dashboard":
      alarms * prices.alarmMonth + ownMetrics * prices.metricMonth + prices.dashboardMonth,
  };
}

export function total(bill: Bill): number {
  return Object.values(bill).reduce((sum, dollars) => sum + dollars, 0);
}

function plus(base: Counts, each: Counts, times: number): Counts {
  const names = Object.keys(base) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, base[name] + times * each[name]])) as Counts;
}

function billOf(counts: Counts): Bill {
  const { httpSeconds, httpGb, logBytes, accessLogBytes, messagesPerRequest } = assumptions;
  const httpPrice = prices.invocation + httpSeconds * httpGb * prices.lambdaGbSecond;
  const invocations = counts.taskInvocations + counts.httpRequests;
  const logged = invocations * logBytes + counts.httpRequests * accessLogBytes;
  const sqsRequests = counts.commands * (1 + 2 / messagesPerRequest);
  const storage = prices.tableGbMonth + prices.backupGbMonth;
  return {
    "Step Functions: transitions": counts.transitions * prices.transition,
    "Lambda: tasks": counts.taskInvocations * taskPrice(),
    "Lambda: API and events": counts.httpRequests * httpPrice,
    "API Gateway: requests": counts.httpRequests * prices.httpRequest,
    "DynamoDB: writes": counts.writeUnits * prices.writeUnit,
    "DynamoDB: reads": counts.readUnits * prices.readUnit,
    "DynamoDB: storage until it expires":
      ((counts.yearBytes * YEAR_MONTHS + counts.monthBytes) / GB) * storage,
    "SQS: commands": sqsRequests * prices.sqsRequest,
    "CloudWatch: logs": (logged / GB) * prices.logGb,
  };
}

function taskPrice(): number {
  const { taskSeconds, taskGb } = assumptions;
  return prices.invocation + taskSeconds * taskGb * prices.lambdaGbSecond;
}
