import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import { keys } from "../../functions/store/keys.ts";
import { updateIf } from "../../functions/store/table.ts";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { WorkflowHarness } from "./testing/harness.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
});
afterAll(() => harness?.close());

/** When each state's function was called, by the workflow's clock. */
function timesOf(states: Record<string, number[]>) {
  return (state: string, call: () => Promise<unknown>) => {
    states[state] = [...(states[state] ?? []), harness.clock.now()];
    return call();
  };
}

describe("a migration that waits for its turn", () => {
  it("gives up at the deadline of its policy, by a code of its own", async () => {
    const taken = {
      ":ids": new Set(Array.from({ length: 64 }, (_, n) => `mig_${String(n).padStart(26, "0")}`)),
    };
    const key = keys.host(HostId.parse("host-b"));
    await updateIf({ key, update: "ADD #incoming :ids", values: taken });
    const times: Record<string, number[]> = {};
    const policy = { queueDeadlineMs: 40 * MINUTE_MS };
    const { id } = await harness.begin("completes", policy, timesOf(times));
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "failed",
      failure: {
        code: "queue-deadline",
        phase: "admit",
        message: expect.stringMatching(/host-b's slots in/),
      },
      runningOn: "host-a",
    });
    const asked = times.Admit ?? [];
    const waitedMs = (asked.at(-1) ?? 0) - (asked[0] ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(39.9 * MINUTE_MS);
    expect(waitedMs).toBeLessThan(41 * MINUTE_MS);
    expect(asked.length).toBeLessThanOrEqual(5);
    await updateIf({ key, update: "DELETE #incoming :ids", values: taken });
    await expectInvariants(harness, ended);
  });
});

describe("F1: a deadline is an instant, decided by the clock", () => {
  it("agents that are silent for minutes do not make an ACK late that has a day", async () => {
    const policy = { ack: { deadlineMs: DAY_MS, onTimeout: "cancel" as const } };
    const { id } = await harness.begin("awaits-ack", policy);
    const ended = await harness.end(id);
    expect(harness.calls).not.toContain("AckExpired");
    expect(ended).toMatchObject({
      status: "failed",
      failure: { code: "states-heartbeat-timeout" },
      runningOn: "host-a",
    });
    await expectInvariants(harness, ended);
  });

  it("a wait for the ACK that is entered again lasts for the rest of its deadline only", async () => {
    const policy = { ack: { deadlineMs: 2.5 * MINUTE_MS, onTimeout: "cancel" as const } };
    const times: Record<string, number[]> = {};
    const { id } = await harness.begin("awaits-ack", policy, timesOf(times));
    const ended = await harness.end(id);
    const [first = 0] = times.AwaitAck ?? [];
    expect(times.AwaitAck).toHaveLength(3);
    expect((times.AckExpired?.[0] ?? 0) - first).toBeLessThan(2.6 * MINUTE_MS);
    expect((times.AckExpired?.[0] ?? 0) - first).toBeGreaterThanOrEqual(2.5 * MINUTE_MS);
    expect(ended).toMatchObject({ status: "failed", failure: { code: "ack-timeout" } });
    await expectInvariants(harness, ended);
  });

  it("missed heartbeats do not prolong precopy", async () => {
    const times: Record<string, number[]> = {};
    const policy = { precopyDeadlineMs: 2 * MINUTE_MS };
    const { id } = await harness.begin("precopies", policy, timesOf(times));
    const ended = await harness.end(id);
    const waitedMs = (times.Observe?.[0] ?? 0) - (times.Precopy?.[0] ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(3 * MINUTE_MS);
    expect(waitedMs).toBeLessThan(3.1 * MINUTE_MS);
    expect(ended).toMatchObject({ status: "failed", failure: { code: "states-timeout" } });
    await expectInvariants(harness, ended);
  });

  it("a silence that goes on is given up after six missed heartbeats, long before", async () => {
    const times: Record<string, number[]> = {};
    const policy = { precopyDeadlineMs: DAY_MS };
    const { id } = await harness.begin("precopies", policy, timesOf(times));
    const ended = await harness.end(id);
    const waitedMs = (times.Observe?.[0] ?? 0) - (times.Precopy?.[0] ?? 0);
    expect(waitedMs).toBeLessThan(6.1 * MINUTE_MS);
    expect(ended.failure?.code).toBe("states-heartbeat-timeout");
  });
});
