import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock } from "../aws/clock.ts";
import {
  type Fixture,
  invoke,
  machine,
  outputOf,
  startFixture,
  tokenTray,
  waitForToken,
} from "./testing/fixture.ts";

const MINUTE_MS = 60_000;

let clock: ManualClock;
let fixture: Fixture;
let tray: ReturnType<typeof tokenTray>;
let failures: number[];

beforeEach(async () => {
  clock = new ManualClock();
  tray = tokenTray();
  failures = [];
  const handlers = {
    keepToken: tray.handler,
    fail: async () => {
      failures.push(clock.now());
      throw new Error("always");
    },
    // In real time it never answers.
    hang: () => new Promise(() => {}),
  };
  fixture = await startFixture(handlers, { clock });
});
afterEach(() => fixture.close());

const status = async (arn: string) => (await fixture.describe(arn)).status;

it("a workflow of ten minutes is run at once", async () => {
  const states = {
    Wait: { Type: "Wait", Seconds: 300, Next: "Until" },
    Until: {
      Type: "Wait",
      Timestamp: "{% $fromMillis($toMillis($states.context.Execution.StartTime) + 600000) %}",
      End: true,
    },
  };
  const arn = await fixture.start(await fixture.create(machine(states)));
  await clock.advance(10 * MINUTE_MS - 1);
  expect(await status(arn)).toBe("RUNNING");
  await clock.advance(1);
  const { startDate, stopDate } = await fixture.ended(arn);
  expect(Number(stopDate) - Number(startDate)).toBe(10 * MINUTE_MS);
});

describe("heartbeats", () => {
  async function startBeating(): Promise<{ arn: string; token: string }> {
    const states = {
      A: waitForToken("keepToken", {
        HeartbeatSeconds: 60,
        TimeoutSeconds: 600,
        Catch: [{ ErrorEquals: ["States.ALL"], Next: "C" }],
        End: true,
      }),
      C: { Type: "Pass", End: true },
    };
    const arn = await fixture.start(await fixture.create(machine(states)));
    return { arn, token: await tray.next() };
  }

  it("keep a task alive, and do not appear in the history", async () => {
    const { arn, token } = await startBeating();
    await vi.waitFor(async () => expect(await fixture.events(arn)).toHaveLength(5), 20_000);
    for (let minute = 0; minute < 9; minute += 1) {
      await clock.advance(MINUTE_MS - 1);
      await fixture.beat(token);
    }
    expect(await fixture.events(arn)).toHaveLength(5);
    await fixture.succeed(token, "alive");
    expect(outputOf(await fixture.ended(arn))).toBe("alive");
  });

  it("that stop end the task with States.HeartbeatTimeout", async () => {
    const { arn, token } = await startBeating();
    await clock.advance(MINUTE_MS - 1);
    await fixture.beat(token);
    await clock.advance(MINUTE_MS);
    expect(outputOf(await fixture.ended(arn))).toEqual({ Error: "States.HeartbeatTimeout" });
    await expect(fixture.beat(token)).rejects.toMatchObject({ name: "TaskTimedOut" });
  });

  it("do not prolong TimeoutSeconds", async () => {
    const { arn, token } = await startBeating();
    for (let beat = 0; beat < 19; beat += 1) {
      await clock.advance(30_000);
      await fixture.beat(token);
    }
    expect(await status(arn)).toBe("RUNNING");
    await clock.advance(30_000);
    expect(outputOf(await fixture.ended(arn))).toEqual({ Error: "States.Timeout" });
  });
});

it("retries wait by interval, rate and longest delay", async () => {
  const Retry = [
    { ErrorEquals: ["Other"], MaxAttempts: 9 },
    {
      ErrorEquals: ["Error"],
      IntervalSeconds: 10,
      BackoffRate: 3,
      MaxDelaySeconds: 60,
      MaxAttempts: 4,
    },
  ];
  const states = { A: invoke("fail", {}, { Retry, End: true }) };
  const arn = await fixture.start(await fixture.create(machine(states)));
  await vi.waitFor(async () => {
    await clock.advance(10_000);
    expect(await status(arn)).toBe("FAILED");
  }, 20_000);
  const delays = failures.map((at, index) => (at - Number(failures[index - 1] ?? at)) / 1000);
  expect(delays).toEqual([0, 10, 30, 60, 60]);
});

it("JitterStrategy FULL waits at most the delay", async () => {
  const Retry = [
    { ErrorEquals: ["Error"], IntervalSeconds: 100, JitterStrategy: "FULL", MaxAttempts: 1 },
  ];
  const states = { A: invoke("fail", {}, { Retry, End: true }) };
  const arn = await fixture.start(await fixture.create(machine(states)));
  await vi.waitFor(
    async () => expect((await fixture.events(arn)).length).toBeGreaterThan(4),
    20_000,
  );
  await clock.advance(100_000);
  expect((await fixture.ended(arn)).status).toBe("FAILED");
});

it("a function that hangs ends its task after TimeoutSeconds", async () => {
  const states = { A: invoke("hang", {}, { TimeoutSeconds: 120, End: true }) };
  const arn = await fixture.start(await fixture.create(machine(states)));
  await vi.waitFor(async () => expect(await fixture.events(arn)).toHaveLength(4), 20_000);
  await clock.advance(2 * MINUTE_MS);
  expect((await fixture.ended(arn)).error).toBe("States.Timeout");
});

it("a Wait longer than Node's longest timer ends", async () => {
  const states = { A: { Type: "Wait", Seconds: 40 * 24 * 3600, End: true } };
  const arn = await fixture.start(await fixture.create(machine(states)));
  await clock.advance(39 * 24 * 60 * MINUTE_MS);
  expect(await status(arn)).toBe("RUNNING");
  await clock.advance(24 * 60 * MINUTE_MS);
  expect((await fixture.ended(arn)).status).toBe("SUCCEEDED");
});

it("leaves no timer behind an execution that has ended", async () => {
  const states = { A: { Type: "Wait", Seconds: 5, End: true } };
  const arn = await fixture.start(await fixture.create(machine(states, { TimeoutSeconds: 600 })));
  await clock.advance(5000);
  await fixture.ended(arn);
  expect(clock.pending).toBe(0);
});

it("an ended execution is removed when another one ends 90 days later", async () => {
  const arn = await fixture.create(machine({ P: { Type: "Pass", End: true } }));
  const first = await fixture.start(arn);
  await fixture.ended(first);
  await clock.advance(89 * 24 * 60 * MINUTE_MS);
  await fixture.ended(await fixture.start(arn));
  expect(await status(first)).toBe("SUCCEEDED");
  await clock.advance(2 * 24 * 60 * MINUTE_MS);
  await fixture.ended(await fixture.start(arn));
  await expect(fixture.describe(first)).rejects.toMatchObject({ name: "ExecutionDoesNotExist" });
});
