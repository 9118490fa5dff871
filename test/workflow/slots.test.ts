import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import { admitWaiting } from "../../functions/service/admit-waiting.ts";
import { byInvocation } from "../../functions/service/wake-by-invocation.ts";
import { keys } from "../../functions/store/keys.ts";
import { updateIf } from "../../functions/store/table.ts";
import { handler as relay } from "../../functions/task/relay.ts";
import { operate } from "../functions/testing/fleet.ts";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import { type Interceptor, WorkflowHarness } from "./testing/harness.ts";
import { stopExecutions, sweep } from "./testing/lost-executions.ts";

const MINUTE_MS = 60_000;
const TARGET = HostId.parse("host-b");
/** Migrations of others that hold all slots into the target. */
const others = {
  ":ids": new Set(Array.from({ length: 64 }, (_, n) => `mig_${String(n).padStart(26, "0")}`)),
};

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
  for (const host of ["host-a", "host-b"]) {
    await operate("PATCH", `/v1/hosts/${host}`, { prepareAhead: 2 });
  }
});
afterEach(() => release());
afterAll(() => harness?.close());

/** A migration that is prepared while the target has no slot. */
async function prepare(policy = {}, intercept?: Interceptor): Promise<string> {
  const key = keys.host(TARGET);
  await updateIf({ key, update: "ADD #incoming :ids", values: others });
  const { id } = await harness.begin("completes", policy, intercept);
  return id;
}

/** The others have ended. */
async function release(): Promise<void> {
  const key = keys.host(TARGET);
  await updateIf({ key, update: "DELETE #incoming :ids", values: others });
  await admitWaiting({ hosts: [TARGET] }, byInvocation);
}

/** Releases the slots once the migration waits for them. */
function releasing() {
  let isReleased = false;
  return async () => {
    if (isReleased || !harness.calls.includes("AwaitSlots")) return false;
    isReleased = true;
    await release();
    return true;
  };
}

describe("a migration whose target is prepared while a host has no slot", () => {
  it("waits by a token, shows its place, and goes on when slots are released", async () => {
    const id = await prepare();
    await harness.runUntilIdle();
    expect(harness.hosts.executed).not.toContain("source.start");
    expect(await harness.record(id)).toMatchObject({
      phase: "prepare",
      queue: { place: 1, waitsFor: ["host-b's slots in: 64 of 2 are taken"] },
    });
    const ended = await harness.end(id, { onIdle: releasing() });
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect(ended).not.toHaveProperty("queue");
    const states = await harness.states(id);
    // Nobody has asked whether there are slots: two states more than without a wait.
    expect(states.filter((state) => /Precopy|AwaitSlots/.test(state))).toEqual([
      "Precopy",
      "AwaitSlots",
      "Precopy",
    ]);
    await expectInvariants(harness, ended);
  });

  it("sends nothing for an execution of before there were places", async () => {
    const id = await prepare();
    await harness.runUntilIdle();
    const { vm, source, target } = await harness.record(id);
    const precopy = {
      migrationId: id,
      parties: { vm, source, target },
      taskToken: "token of another execution",
      attempt: 1,
      commands: [{ step: "start", verb: "source.start", side: "source" }],
      awaits: "converged",
      interruptible: true,
      phase: "precopy",
    };
    await expect(relay(precopy)).rejects.toMatchObject({ name: "SlotsTaken" });
    const ended = await harness.end(id, { onIdle: releasing() });
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect(harness.hosts.executed.filter((verb) => verb === "source.start")).toHaveLength(1);
    await expectInvariants(harness, ended);
  });

  it("gives up at the deadline of its policy, by a code of its own", async () => {
    const id = await prepare({ queueDeadlineMs: 40 * MINUTE_MS });
    const beforeMs = harness.clock.now();
    const ended = await harness.end(id);
    const waitedMs = harness.clock.now() - beforeMs;
    expect(waitedMs).toBeGreaterThanOrEqual(40 * MINUTE_MS);
    expect(waitedMs).toBeLessThan(41 * MINUTE_MS);
    expect(ended).toMatchObject({
      status: "failed",
      failure: { code: "slots-deadline", message: expect.stringMatching(/host-b's slots in/) },
      runningOn: "host-a",
    });
    expect(harness.hosts.guest?.target).toBe("exited");
    await expectInvariants(harness, ended);
  });

  it("is cancelled, and its target is ended", async () => {
    const id = await prepare();
    await harness.runUntilIdle();
    expect(await harness.post(`/v1/migrations/${id}/cancel`)).toBe(202);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
    expect(harness.hosts.guest?.target).toBe("exited");
    await expectInvariants(harness, ended);
  });

  it("does not go to a target that was closed meanwhile", async () => {
    const id = await prepare();
    await harness.runUntilIdle();
    expect(await harness.post("/v1/hosts/host-b/cordon")).toBe(200);
    const ended = await harness.end(id, { onIdle: releasing() });
    await harness.post("/v1/hosts/host-b/uncordon");
    expect(ended).toMatchObject({
      status: "failed",
      failure: { code: "cordoned" },
      runningOn: "host-a",
    });
    expect(harness.hosts.executed).not.toContain("source.start");
    await expectInvariants(harness, ended);
  });

  it.each(faultsOf(["Precopy", "AwaitSlots"]))("ends when %s %s", async (state, fault) => {
    const id = await prepare({}, faults[fault](harness, state));
    const ended = await harness.end(id, { onIdle: releasing() });
    const isGivenUp = fault === "fails until its retries are exhausted";
    expect(ended).toMatchObject(
      isGivenUp
        ? { status: "failed", runningOn: "host-a" }
        : { status: "completed", runningOn: "host-b" },
    );
    expect(harness.faultsInjected).toBeGreaterThan(0);
    await expectInvariants(harness, ended);
  });

  it("gives its places back when its execution is lost", async () => {
    const id = await prepare();
    await harness.runUntilIdle();
    await stopExecutions(id);
    expect((await sweep()).restarted).toContain(id);
    const ended = await harness.endAnyhow(id);
    expect(ended).toMatchObject({ failure: { code: "execution-lost" }, runningOn: "host-a" });
    expect(harness.hosts.guest?.target).toBe("exited");
    await expectInvariants(harness, ended);
  });
});

it("takes its slots before `migrate` without a wait where they are free by then", async () => {
  const id = await prepare({}, async (state, call) => {
    if (state === "Precopy") await release();
    return call();
  });
  const ended = await harness.end(id);
  expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
  expect(await harness.states(id)).not.toContain("AwaitSlots");
  await expectInvariants(harness, ended);
});
