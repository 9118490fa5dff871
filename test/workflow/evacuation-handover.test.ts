import {
  DescribeExecutionCommand,
  type HistoryEvent,
  ListExecutionsCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { evacuationTasks } from "../../core/evacuation/tasks.ts";
import {
  type StateMachineDescription,
  stateMachineDescriptions,
} from "../../deployment/state-machines.ts";
import { type Service, stepFunctions } from "../../functions/runtime/clients.ts";
import { config } from "../../functions/runtime/config.ts";
import { refsOf } from "../../workflows/asl.ts";
import { evacuationDefinition } from "../../workflows/evacuation.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import { stopExecutions, sweep } from "./testing/lost-executions.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** Few, so that a small evacuation needs several executions. */
const STEPS = 3;
/** 5 events of Advance, 2 of IsOver, 6 of AwaitChange. */
const EVENTS_PER_STEP = 13;
/** The start, 2 events of Begin, 2 of Ended, and the end. */
const EVENTS_AROUND = 6;
/** The last step of an execution waits for nothing. */
const EVENTS_OF_WAIT = 6;
const EVENTS_OF_CONTINUE = 5;
/** 256 KiB are allowed. */
const PAYLOAD_BYTES_MAX = 512;
/** All events of a step and its wait, as GetExecutionHistory returns them. */
const STEP_BYTES_MAX = 4_096;

const ONE_SLOT = { slotsOut: 1, slotsIn: 1 };

/** Requests to start an execution of an evacuation that are still to fail. */
let failingStarts = 0;
let harness: EvacuationHarness;

type Transport = Parameters<NonNullable<Observe>>[1];
type Observe = NonNullable<Parameters<typeof EvacuationHarness.start>[0]>["observe"];

beforeAll(async () => {
  const evacuation: StateMachineDescription = {
    functions: evacuationTasks,
    definition: (refOf) =>
      evacuationDefinition(refsOf(evacuationTasks, refOf), { stepsMax: STEPS }),
  };
  harness = await EvacuationHarness.start({
    machines: { ...stateMachineDescriptions, evacuation },
    observe: withFailingStarts,
  });
});
afterAll(() => harness?.close());

/** A handover dies between its write and the start of the next execution. */
function withFailingStarts(service: Service, transport: Transport): Transport {
  if (service !== "SFN") return transport;
  return {
    handle: async (request) => {
      const isStart = request.headers["x-amz-target"]?.endsWith(".StartExecution") === true;
      if (!isStart || failingStarts === 0 || !textOf(request.body).includes("evacuationId")) {
        return transport.handle(request);
      }
      failingStarts -= 1;
      throw new Error("injected: no execution was started");
    },
  };
}

function textOf(body: string | Uint8Array = ""): string {
  return typeof body === "string" ? body : new TextDecoder().decode(body);
}

async function expectSound({ id }: Evacuation): Promise<void> {
  expect(harness.guests.hasRunTwice).toBe(false);
  expect(await harness.leftovers(id)).toEqual([]);
  expect((await harness.moves(id)).every(({ tries }) => tries.length === 1)).toBe(true);
}

/** An execution that was just to be started is not missed for a minute. */
async function passSweepPause(): Promise<void> {
  const untilMs = harness.clock.now() + 61_000;
  harness.clock.setTimeout(() => undefined, 61_000);
  while (harness.clock.now() < untilMs) {
    await harness.runUntilIdle();
    harness.skip();
  }
}

type Execution = { name: string; status: string | undefined; events: HistoryEvent[] };

/** The executions of an evacuation, the first one first. */
async function executionsOf(id: string): Promise<Execution[]> {
  const { executions = [] } = await stepFunctions().send(
    new ListExecutionsCommand({ stateMachineArn: config().evacuationStateMachineArn }),
  );
  const own = executions.filter(({ name = "" }) => name.startsWith(`${id}-`));
  const found = await Promise.all(
    own.map(async ({ executionArn = "", name = "" }) => {
      const { status } = await stepFunctions().send(new DescribeExecutionCommand({ executionArn }));
      return { name, status, events: await harness.history(executionArn) };
    }),
  );
  const number = ({ name }: Execution) => Number(name.slice(id.length + 1));
  return found.toSorted((one, other) => number(one) - number(other));
}

function entered({ events }: Execution, state: string): number {
  return events.filter(({ stateEnteredEventDetails: of }) => of?.name === state).length;
}

/** Inputs, outputs and parameters of all events, in bytes. */
function payloadBytes({ events }: Execution): number[] {
  return events.flatMap((event) =>
    Object.values(event)
      .filter((details): details is Record<string, unknown> => details?.constructor === Object)
      .flatMap(({ input, output, parameters }) => [input, output, parameters])
      .filter((text): text is string => typeof text === "string")
      .map((text) => Buffer.byteLength(text)),
  );
}

/** What a step and its wait add to the history, for each step of an execution. */
function bytesOfSteps({ events }: Execution): number[] {
  const starts = events.flatMap(({ stateEnteredEventDetails: of }, index) =>
    of?.name === "Advance" ? [index] : [],
  );
  return starts
    .slice(0, -1)
    .map((from, step) => Buffer.byteLength(JSON.stringify(events.slice(from, starts[step + 1]))));
}

/** Every execution has the bounds of the ADR, whatever the size of the evacuation is. */
function expectBounded(executions: readonly Execution[]): void {
  for (const [index, execution] of executions.entries()) {
    const isLast = index === executions.length - 1;
    const steps = entered(execution, "Advance");
    expect(execution.status).toBe("SUCCEEDED");
    expect(entered(execution, "Continue")).toBe(isLast ? 0 : 1);
    if (isLast) expect(steps).toBeLessThanOrEqual(STEPS);
    else expect(steps).toBe(STEPS);
    const around = EVENTS_AROUND + (isLast ? 0 : EVENTS_OF_CONTINUE);
    const expected = steps * EVENTS_PER_STEP - EVENTS_OF_WAIT + around;
    expect(execution.events).toHaveLength(expected);
    expect(Math.max(...payloadBytes(execution))).toBeLessThan(PAYLOAD_BYTES_MAX);
    for (const bytes of bytesOfSteps(execution)) expect(bytes).toBeLessThan(STEP_BYTES_MAX);
  }
}

describe("an evacuation of more steps than one execution has", () => {
  it.each([4, 12])("with %i moves is carried out by one execution after the other", async (vms) => {
    const { a = "", b = "" } = await harness.fleet({ a: vms, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: vms, moved: vms } });
    expect(new Set(harness.guests.places.values())).toEqual(new Set([b]));
    const executions = await executionsOf(id);
    const steps = executions.reduce((sum, one) => sum + entered(one, "Advance"), 0);
    // One for each move that ends, two to begin, and one with which each execution takes over.
    expect(steps).toBeLessThanOrEqual(vms + 2 + executions.length - 1);
    expect(executions.map(({ name }) => name)).toEqual(
      Array.from({ length: Math.ceil(steps / STEPS) }, (_, index) => `${id}-${index + 1}`),
    );
    expect(ended.executionArn).toMatch(new RegExp(`:${executions.at(-1)?.name}$`));
    expectBounded(executions);
    await expectSound(ended);
  });

  it.each(faultsOf(["Continue"]))("goes on when the function of %s %s", async (state, fault) => {
    const { a = "" } = await harness.fleet({ a: 4, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    harness.intercept = faults[fault](harness, state);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 4, moved: 4 } });
    expect(harness.faultsInjected).toBeGreaterThan(0);
    // No execution was started twice, and none is left behind.
    const names = (await executionsOf(id)).map(({ name }) => name);
    expect(names).toEqual(names.map((_, index) => `${id}-${index + 1}`));
    await expectSound(ended);
  });

  it("goes on when the next execution could not be started at first", async () => {
    const { a = "" } = await harness.fleet({ a: 4, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    // The first execution runs by now. The SDK itself tries each request three times.
    failingStarts = 4;
    const ended = await harness.end(id);
    expect(failingStarts).toBe(0);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 4, moved: 4 } });
    expectBounded((await executionsOf(id)).slice(1));
    await expectSound(ended);
  });

  it("is swept when its last execution has handed over to one that was never started", async () => {
    const { a = "" } = await harness.fleet({ a: 4, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    failingStarts = Number.POSITIVE_INFINITY;
    await harness.until(id, ({ executionArn }) => executionArn?.endsWith(`${id}-2`) === true);
    await stopExecutions(id, config().evacuationStateMachineArn);
    failingStarts = 0;
    await passSweepPause();
    expect((await sweep()).evacuations).toContainEqual({ id, outcome: "started" });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 4, moved: 4 } });
    await expectSound(ended);
  });
});

describe("over a handover", () => {
  it("a pause holds, and a resume is seen", async () => {
    const { a = "" } = await harness.fleet({ a: 3, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    await harness.act(id, "pause", { by: "ada", message: "ticket 7" });
    // Each look, an hour later, is a step.
    const quiet = await harness.until(
      id,
      ({ executionArn }) => executionArn?.endsWith(`${id}-3`) === true,
    );
    expect(quiet).toMatchObject({ status: "paused", pauses: [{ author: "ada" }] });
    expect(quiet.counters.moved).toBeLessThanOrEqual(1);
    await harness.act(id, "resume", { by: "ada" });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    expectBounded(await executionsOf(id));
    await expectSound(ended);
  });

  it("a rollback goes on", async () => {
    const { a = "" } = await harness.fleet({ a: 4, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    const { executionArn: forward } = await harness.end(id);
    await harness.act(id, "rollback", { by: "ada" });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "rolled-back", counters: { total: 4, moved: 4 } });
    expect(new Set(harness.guests.places.values())).toEqual(new Set([a]));
    const executions = await executionsOf(id);
    const ways = executions.map(({ name }) => Number(name.slice(id.length + 1)));
    expect(ways.at(-1)).toBeGreaterThan(Number(forward?.split("-").at(-1)) + 1);
    expect(executions.every(({ status }) => status === "SUCCEEDED")).toBe(true);
    expect(await harness.leftovers(id)).toEqual([]);
  });
});
