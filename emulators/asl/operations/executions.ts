import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { Engine } from "../engine.ts";
import { ServiceError } from "../errors.ts";
import type { ExecutionHeader } from "../execution-record.ts";
import { toWire } from "../history.ts";
import { utf8Bytes } from "../json.ts";
import {
  CAUSE_LENGTH_MAX,
  ERROR_LENGTH_MAX,
  PAYLOAD_BYTES_MAX,
  REDRIVE_EVENTS_MAX,
  REDRIVE_PERIOD_MS,
  REDRIVES_MAX,
} from "../limits.ts";
import { arn, maxResults, nextToken, parseInput } from "./input.ts";
import { ascending, descending, pageOf } from "./page.ts";

const StartInput = z.strictObject({
  stateMachineArn: arn,
  name: z.string().optional(),
  input: z.string().optional(),
  // For X-Ray, which does not exist here.
  traceHeader: z.string().max(256).optional(),
});

export function startExecution(engine: Engine, raw: unknown): object {
  const { stateMachineArn, name, input = "{}" } = parseInput(StartInput, raw);
  requireJson(input, "InvalidExecutionInput", "Invalid State Machine Execution Input");
  const header = engine.start({ stateMachineArn, name: name ?? randomUUID(), input });
  return { executionArn: header.arn, startDate: header.startedAt / 1000 };
}

const StopInput = z.strictObject({
  executionArn: arn,
  error: z.string().max(ERROR_LENGTH_MAX).optional(),
  cause: z.string().max(CAUSE_LENGTH_MAX).optional(),
});

export async function stopExecution(engine: Engine, raw: unknown): Promise<object> {
  const { executionArn, error, cause } = parseInput(StopInput, raw);
  engine.executions.get(executionArn);
  await engine.stop(executionArn, {
    ...(error !== undefined && { error }),
    ...(cause !== undefined && { cause }),
  });
  const { stoppedAt } = engine.executions.get(executionArn);
  return { stopDate: (stoppedAt ?? engine.clock.now()) / 1000 };
}

const DescribeInput = z.strictObject({
  executionArn: arn,
  includedData: z.enum(["ALL_DATA", "METADATA_ONLY"]).optional(),
});

export function describeExecution(engine: Engine, raw: unknown): object {
  const { executionArn, includedData } = parseInput(DescribeInput, raw);
  const header = engine.executions.get(executionArn);
  const hasData = includedData !== "METADATA_ONLY";
  const included = { included: hasData };
  return {
    ...summary(header),
    ...(hasData && { input: header.input }),
    inputDetails: included,
    ...(header.output !== null && {
      ...(hasData && { output: header.output }),
      outputDetails: included,
    }),
    ...(header.error !== null && { error: header.error }),
    ...(header.cause !== null && { cause: header.cause }),
    ...redriveStatus(engine, header),
  };
}

const ListInput = z.strictObject({
  stateMachineArn: arn.optional(),
  mapRunArn: arn.optional(),
  statusFilter: z
    .enum(["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"])
    .optional(),
  redriveFilter: z.enum(["REDRIVEN", "NOT_REDRIVEN"]).optional(),
  maxResults,
  nextToken,
});

export function listExecutions(engine: Engine, raw: unknown): object {
  const input = parseInput(ListInput, raw);
  const { stateMachineArn, mapRunArn, statusFilter, redriveFilter } = input;
  if ((stateMachineArn === undefined) === (mapRunArn === undefined)) {
    const message = "Exactly one of 'stateMachineArn' and 'mapRunArn' must be specified";
    throw new ServiceError("ValidationException", message);
  }
  if (stateMachineArn !== undefined) engine.machines.get(stateMachineArn);
  const found = engine.executions.headers().filter((header) => {
    if (mapRunArn !== undefined && header.mapItem?.mapRunArn !== mapRunArn) return false;
    if (stateMachineArn !== undefined && header.stateMachineArn !== stateMachineArn) return false;
    if (statusFilter !== undefined && header.status !== statusFilter) return false;
    return (
      redriveFilter === undefined || (redriveFilter === "REDRIVEN") === header.redriveCount > 0
    );
  });
  const page = pageOf(found, input, (each) => `${descending(each.startedAt)} ${each.arn}`);
  return { executions: page.items.map(summary), ...page.next };
}

const HistoryInput = z.strictObject({
  executionArn: arn,
  maxResults,
  nextToken,
  reverseOrder: z.boolean().optional(),
  includeExecutionData: z.boolean().optional(),
});

export function getExecutionHistory(engine: Engine, raw: unknown): object {
  const input = parseInput(HistoryInput, raw);
  const events = engine.executions.events(input.executionArn);
  const page = pageOf(events, input, ({ id }) =>
    input.reverseOrder ? descending(id) : ascending(id),
  );
  const includeData = input.includeExecutionData ?? true;
  return { events: page.items.map((event) => toWire(event, includeData)), ...page.next };
}

const RedriveInput = z.strictObject({
  executionArn: arn,
  clientToken: z.string().min(1).max(64).optional(),
});

/** For this long, the same client token means the same redrive. */
const CLIENT_TOKEN_MS = 15 * 60 * 1000;

export async function redriveExecution(engine: Engine, raw: unknown): Promise<object> {
  const { executionArn, clientToken } = parseInput(RedriveInput, raw);
  const header = engine.executions.get(executionArn);
  const { redrivenAt } = header;
  const isRepeated = clientToken !== undefined && header.redriveClientToken === clientToken;
  if (isRepeated && redrivenAt !== null && engine.clock.now() - redrivenAt < CLIENT_TOKEN_MS) {
    return { redriveDate: redrivenAt / 1000 };
  }
  const { redriveStatus: status, redriveStatusReason: reason } = redriveStatus(engine, header);
  if (status !== "REDRIVABLE") throw new ServiceError("ExecutionNotRedrivable", reason ?? status);
  await engine.redrive(executionArn, clientToken);
  const date = engine.executions.get(executionArn).redrivenAt;
  return { redriveDate: (date ?? engine.clock.now()) / 1000 };
}

export function describeStateMachineForExecution(engine: Engine, raw: unknown): object {
  const { executionArn } = parseInput(z.strictObject({ executionArn: arn }), raw);
  const header = engine.executions.get(executionArn);
  const machine = engine.machines.find(header.stateMachineArn);
  return {
    stateMachineArn: header.stateMachineArn,
    name: header.stateMachineArn.split(":").at(-1),
    definition: engine.machines.definitionText(header.definitionId),
    roleArn: header.roleArn,
    updateDate: (machine?.createdAt ?? header.startedAt) / 1000,
    ...(header.mapItem && { mapRunArn: header.mapItem.mapRunArn }),
  };
}

/**
 * Refuses text that is not JSON, or too long for a state's payload.
 *
 * @throws ServiceError with the code given
 */
export function requireJson(text: string, code: string, what: string): void {
  if (utf8Bytes(text) > PAYLOAD_BYTES_MAX) {
    throw new ServiceError(code, `${what}: larger than ${PAYLOAD_BYTES_MAX} bytes`);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new ServiceError(code, `${what}: '${(error as Error).message}'`);
  }
}

function summary(header: Readonly<ExecutionHeader>): object {
  return {
    executionArn: header.arn,
    stateMachineArn: header.stateMachineArn,
    name: header.name,
    status: header.status,
    startDate: header.startedAt / 1000,
    ...(header.stoppedAt !== null && { stopDate: header.stoppedAt / 1000 }),
    ...(header.mapItem && { mapRunArn: header.mapItem.mapRunArn }),
    redriveCount: header.redriveCount,
    ...(header.redrivenAt !== null && { redriveDate: header.redrivenAt / 1000 }),
  };
}

type RedriveStatus = {
  readonly redriveStatus: "REDRIVABLE" | "NOT_REDRIVABLE" | "REDRIVABLE_BY_MAP_RUN";
  readonly redriveStatusReason?: string;
};

function redriveStatus(engine: Engine, header: Readonly<ExecutionHeader>): RedriveStatus {
  const refuse = (redriveStatusReason: string): RedriveStatus => ({
    redriveStatus: "NOT_REDRIVABLE",
    redriveStatusReason,
  });
  if (header.status === "RUNNING" || header.status === "SUCCEEDED") {
    return refuse(`Execution is ${header.status} and cannot be redriven`);
  }
  if (header.mapItem) return { redriveStatus: "REDRIVABLE_BY_MAP_RUN" };
  if (engine.clock.now() - (header.stoppedAt ?? 0) > REDRIVE_PERIOD_MS) {
    return refuse("Execution has exceeded the redrivable period");
  }
  if (header.redriveCount >= REDRIVES_MAX) {
    return refuse(`Execution has been redriven ${REDRIVES_MAX} times`);
  }
  if (header.eventCount >= REDRIVE_EVENTS_MAX) {
    return refuse(`Execution has ${REDRIVE_EVENTS_MAX} events or more in its history`);
  }
  return { redriveStatus: "REDRIVABLE" };
}
