import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CreateScheduleCommand,
  type CreateScheduleCommandInput,
  DeleteScheduleCommand,
  GetScheduleCommand,
  ListSchedulesCommand,
  SchedulerClient,
} from "@aws-sdk/client-scheduler";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock } from "../clock.ts";
import { clientConfig } from "../testing/clients.ts";
import { type Scheduler, startScheduler } from "./scheduler.ts";

const WAIT_MS = 20_000;
const ARN = "arn:aws:lambda:us-east-1:000000000000:function:open-window";
const RoleArn = "arn:aws:iam::000000000000:role/local";
const START = Date.UTC(2030, 0, 1);

let clock: ManualClock;
let scheduler: Scheduler;
let client: SchedulerClient;
let dataDir: string;
let calls: unknown[];
/** Calls that fail before one succeeds. */
let failures: number;

async function start(): Promise<void> {
  scheduler = await startScheduler({
    dataDir,
    clock,
    invoke: async (arn, event) => {
      calls.push([arn, event, clock.now() - START]);
      failures -= 1;
      if (failures >= 0) throw new Error("cannot be called");
    },
  });
  client = new SchedulerClient(clientConfig(scheduler.endpoint));
}

async function stop(): Promise<void> {
  client.destroy();
  await scheduler.close();
}

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "scheduler-"));
  clock = new ManualClock(START);
  calls = [];
  failures = 0;
  await start();
});
afterEach(async () => {
  await stop();
  await rm(dataDir, { recursive: true, force: true });
});

function create(Name: string, time: string, rest: Partial<CreateScheduleCommandInput> = {}) {
  return client.send(
    new CreateScheduleCommand({
      Name,
      ScheduleExpression: `at(2030-01-01T${time})`,
      FlexibleTimeWindow: { Mode: "OFF" },
      ActionAfterCompletion: "DELETE",
      Target: { Arn: ARN, RoleArn, Input: JSON.stringify({ for: Name }) },
      ...rest,
    }),
  );
}

const names = async () =>
  (await client.send(new ListSchedulesCommand({}))).Schedules?.map(({ Name }) => Name);

describe("a one-time schedule", () => {
  it("calls its function once at its time, and is deleted then", async () => {
    await create("b", "02:00:00");
    await create("a", "01:00:00");
    const shown = await client.send(new GetScheduleCommand({ Name: "a" }));
    expect(shown).toMatchObject({ ScheduleExpression: "at(2030-01-01T01:00:00)" });
    await clock.advance(3_600_000 - 1);
    expect(calls).toEqual([]);
    await clock.advance(1);
    await vi.waitFor(async () => expect(await names()).toEqual(["b"]), WAIT_MS);
    await clock.advance(24 * 3_600_000);
    expect(calls).toEqual([
      [ARN, { for: "a" }, 3_600_000],
      [ARN, { for: "b" }, 7_200_000],
    ]);
  });

  it("that was due while nobody ran is delivered at the next start", async () => {
    await create("a", "01:00:00");
    await stop();
    await clock.advance(5 * 3_600_000);
    await start();
    await vi.waitFor(() => expect(calls).toEqual([[ARN, { for: "a" }, 5 * 3_600_000]]), WAIT_MS);
  });

  it("is tried again while its function cannot be called, within its retry policy", async () => {
    failures = 100;
    const RetryPolicy = { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60 };
    await create("a", "00:00:10", { Target: { Arn: ARN, RoleArn, RetryPolicy } });
    for (let second = 0; second < 30; second += 1) await clock.advance(1_000);
    expect(calls.map((call) => (call as unknown[])[2])).toEqual([10_000, 11_000, 13_000]);
    expect(await names()).toEqual([]);
  });

  it("that was deleted calls nothing", async () => {
    await create("a", "01:00:00");
    await client.send(new DeleteScheduleCommand({ Name: "a" }));
    await clock.advance(2 * 3_600_000);
    expect(calls).toEqual([]);
    await expect(client.send(new DeleteScheduleCommand({ Name: "a" }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
  });

  it("is created once: by the same request again, and by no other", async () => {
    await create("a", "01:00:00", { ClientToken: "one" });
    await create("a", "01:00:00", { ClientToken: "one" });
    await expect(create("a", "01:00:00")).rejects.toMatchObject({ name: "ConflictException" });
    expect(await names()).toEqual(["a"]);
  });
});

it.each<[string, Partial<CreateScheduleCommandInput>, string]>([
  ["a rate", { ScheduleExpression: "rate(1 minute)" }, "expected at("],
  ["a zone", { ScheduleExpressionTimezone: "Europe/Berlin" }, "ScheduleExpressionTimezone"],
  ["a date that does not exist", { ScheduleExpression: "at(2030-13-01T00:00:00)" }, "exists"],
  ["a state", { State: "DISABLED" }, "State"],
  ["staying after its end", { ActionAfterCompletion: "NONE" }, "ActionAfterCompletion"],
])("%s is refused, and named", async (_, rest, message) => {
  await expect(create("a", "01:00:00", rest)).rejects.toThrow(message);
});

it("another group does not exist", async () => {
  await expect(create("a", "01:00:00", { GroupName: "other" })).rejects.toMatchObject({
    name: "ResourceNotFoundException",
  });
});
