import type { EvacuationTask } from "../core/evacuation/tasks.ts";
import type { MigrationTask, ScheduledTask, WindowTask } from "../core/migration/tasks.ts";
import {
  armSchedules,
  completeTokens,
  countDeadLetters,
  describeEvacuations,
  describeExecutions,
  invokeAgentEvents,
  onTable,
  passSchedulerRole,
  queryIndex,
  type Right,
  right,
  sendCommands,
  startEvacuations,
  startExecutions,
} from "./rights.ts";

/** Functions that API Gateway calls, one for each kind of caller. */
export const httpFunctions = ["api", "agent-events"] as const;
export type HttpFunction = (typeof httpFunctions)[number];
export type FunctionName =
  | HttpFunction
  | MigrationTask
  | EvacuationTask
  | WindowTask
  | ScheduledTask;

export type FunctionDescription = {
  /** Module and export, as Lambda and SST write it. */
  handler: `functions/${string}.handler`;
  timeoutSeconds: number;
  memoryMb: number;
  rights: readonly Right[];
};

/** API Gateway gives up after 30 s: the function ends earlier, and says why. */
const HTTP_SECONDS = 29;
/** Below the 60 s of the workflow's states, so that a late function is retried as one. */
const TASK_SECONDS = 30;
const SWEEP_SECONDS = 60;
/** A step may plan a fleet again and write the moves of 10,000 VMs: below the 600 s of its state. */
const ADVANCE_SECONDS = 300;
const PLANNING_MEMORY_MB = 2048;
/** Memory also sets a function's share of a CPU: with less, a cold start takes longer. */
const MEMORY_MB = 512;
const HTTP_MEMORY_MB = 1024;

const endings: Right[] = [
  onTable("get", "batch get", "query", "put", "update", "delete", "check"),
  sendCommands,
  invokeAgentEvents,
];

/**
 * Every function of the control plane: what the local cloud runs and infra/ deploys. The rights are
 * those of the calls in the function's bundle; `npm run test:infra` compares the two.
 */
export const functionDescriptions: Readonly<Record<FunctionName, FunctionDescription>> = {
  api: {
    handler: "functions/api/index.handler",
    timeoutSeconds: HTTP_SECONDS,
    memoryMb: HTTP_MEMORY_MB,
    rights: [
      onTable("get", "batch get", "query", "put", "update", "delete", "batch write", "check"),
      queryIndex,
      right("host queues", "sqs:CreateQueue", "sqs:DeleteQueue"),
      sendCommands,
      countDeadLetters,
      startExecutions,
      describeExecutions,
      startEvacuations,
      describeEvacuations,
      armSchedules,
      passSchedulerRole,
      invokeAgentEvents,
    ],
  },
  "agent-events": {
    handler: "functions/agent-events/index.handler",
    timeoutSeconds: HTTP_SECONDS,
    memoryMb: HTTP_MEMORY_MB,
    rights: [
      onTable("get", "batch get", "query", "put", "update", "delete", "batch write", "check"),
      sendCommands,
      completeTokens,
    ],
  },
  admit: task("admit", [
    onTable("get", "batch get", "query", "put", "update", "delete", "check"),
    queryIndex,
    invokeAgentEvents,
  ]),
  relay: task("relay", endings),
  negotiate: task("negotiate", [onTable("get", "batch get", "put", "update"), invokeAgentEvents]),
  "await-signal": task("await-signal", [onTable("get", "put", "update"), invokeAgentEvents]),
  "ack-expired": task("ack-expired", [onTable("get", "batch get", "update")]),
  complete: task("complete", endings),
  reconcile: task("reconcile", [onTable("get", "batch get", "put", "update")]),
  "end-migration": task("end-migration", [...endings, startExecutions]),
  "advance-evacuation": {
    ...task("advance-evacuation", [
      onTable("get", "batch get", "query", "put", "update", "delete", "batch write", "check"),
      queryIndex,
      startExecutions,
      invokeAgentEvents,
    ]),
    timeoutSeconds: ADVANCE_SECONDS,
    memoryMb: PLANNING_MEMORY_MB,
  },
  "await-evacuation": task("await-evacuation", [onTable("update"), invokeAgentEvents]),
  "continue-evacuation": task("continue-evacuation", [
    onTable("get", "put", "update", "delete"),
    startEvacuations,
  ]),
  "open-window": task("open-window", [
    onTable("get", "batch get", "query", "put", "update", "delete", "batch write"),
    queryIndex,
    startEvacuations,
    armSchedules,
    passSchedulerRole,
    invokeAgentEvents,
  ]),
  sweep: {
    ...task("sweep", [
      ...endings,
      onTable("batch write"),
      queryIndex,
      startExecutions,
      describeExecutions,
      startEvacuations,
      describeEvacuations,
      armSchedules,
      passSchedulerRole,
    ]),
    timeoutSeconds: SWEEP_SECONDS,
  },
  "deliver-webhooks": {
    ...task("deliver-webhooks", [
      onTable("get", "batch get", "query", "put", "update"),
      queryIndex,
    ]),
    timeoutSeconds: SWEEP_SECONDS,
  },
};

function task(name: Exclude<FunctionName, HttpFunction>, rights: Right[]): FunctionDescription {
  return {
    handler: `functions/task/${name}.handler`,
    timeoutSeconds: TASK_SECONDS,
    memoryMb: MEMORY_MB,
    rights,
  };
}
