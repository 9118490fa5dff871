import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { WorkflowHarness } from "./testing/harness.ts";
import { stopAt, stopExecutions, sweep } from "./testing/lost-executions.ts";

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
});
afterAll(() => harness?.close());

/** Sweeps until the migration has ended, with the workflow's clock skipping in between. */
async function sweepUntilEnded(id: string) {
  await harness.runUntilIdle();
  const before = await harness.record(id);
  if (before.status !== "running") return before;
  expect((await sweep()).restarted).toContain(id);
  return harness.endAnyhow(id);
}

const forward = ["Probe", "Negotiate", "Prepare", "Precopy", "Complete"];
const back = ["CancelSource", "Observe", "Reconcile", "Undo", "EndMigration"];
const both = (states: string[]) =>
  states.flatMap((state) => [[state, false] as const, [state, true] as const]);

describe("F6: an execution that is stopped", () => {
  it.each(both(forward))(
    "in %s (its function called: %s) is made up for",
    async (state, called) => {
      const { id } = await harness.begin("completes", {}, stopAt(harness, state, called));
      const ended = await sweepUntilEnded(id);
      expect(harness.faultsInjected).toBe(1);
      expect(["completed", "failed"]).toContain(ended.status);
      await expectInvariants(harness, ended);
    },
  );

  it.each(both(back))("in %s (its function called: %s) is made up for", async (state, called) => {
    const { id } = await harness.begin("precopies");
    await harness.runUntilIdle();
    harness.intercept = stopAt(harness, state, called);
    expect(await harness.post(`/v1/migrations/${id}/cancel`)).toBe(202);
    const ended = await sweepUntilEnded(id);
    expect(harness.faultsInjected).toBe(1);
    expect(ended).toMatchObject({ runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });

  it.each([
    ["AwaitAck", "awaits-ack"],
    ["Switchover", "holds"],
  ] as const)("in %s leaves the guest where it is", async (state, course) => {
    const policy = course === "holds" ? { switchover: { mode: "gated" as const } } : {};
    const { id } = await harness.begin(course, policy, stopAt(harness, state, true));
    const ended = await sweepUntilEnded(id);
    expect(harness.faultsInjected).toBe(1);
    expect(ended).toMatchObject({ failure: { code: "execution-lost" }, runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });
});

describe("F6: an execution that is stopped while it waits", () => {
  it.each(["RecoverTarget", "RecoverSource", "AwaitPostcopy"])(
    "in %s: postcopy is recovered and completes",
    async (state) => {
      const policy = { convergence: { ladder: "post-copy" as const } };
      const stop = stopAt(harness, state, true);
      const { id } = await harness.begin("breaks-in-postcopy", policy, stop);
      const ended = await sweepUntilEnded(id);
      expect(harness.faultsInjected).toBe(1);
      expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
      await expectInvariants(harness, ended);
    },
  );

  it("in HoldForAck: the guest stays on the source", async () => {
    const policy = { ack: { deadlineMs: 60_000, onTimeout: "hold" as const } };
    const { id } = await harness.begin("awaits-ack", policy);
    await harness.runUntilIdle();
    while (!harness.calls.includes("HoldForAck")) {
      harness.clock.skip();
      await harness.runUntilIdle();
    }
    await stopExecutions(id);
    const ended = await sweepUntilEnded(id);
    expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });

  it("in AwaitTurn, without slots: the guest stays on the source", async () => {
    const others = await harness.fillSlots();
    const { id } = await harness.begin("completes");
    await harness.runUntilIdle();
    expect(harness.calls).toContain("AwaitTurn");
    await stopExecutions(id);
    const ended = await sweepUntilEnded(id);
    expect(ended).toMatchObject({ failure: { code: "execution-lost" }, runningOn: "host-a" });
    await expectInvariants(harness, ended);
    for (const other of others) await harness.end(other);
  });
});

describe("B4: a VM whose migration has lost its execution", () => {
  it("is taken by reconcile, though the guest has arrived", async () => {
    const { id, vm } = await harness.begin("completes", {}, stopAt(harness, "Complete", false));
    await harness.runUntilIdle();
    expect(await harness.vm(vm)).toMatchObject({ state: "migrating", lockedBy: id });
    const statuses = await Promise.all([1, 2].map(() => harness.post(`/v1/vms/${vm}/reconcile`)));
    expect(statuses).toEqual([202, 202]);
    const ended = await harness.endAnyhow(id);
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect(harness.calls.filter((state) => state === "Complete")).toHaveLength(2);
    await expectInvariants(harness, ended);
  });

  it("is swept when Step Functions does not know the execution any more", async () => {
    const { id } = await harness.begin("precopies");
    await harness.runUntilIdle();
    await harness.forgetExecutions();
    expect(await sweep()).toMatchObject({ restarted: [] });
    const later = Date.now() + 61_000;
    const clock = vi.spyOn(Date, "now").mockReturnValue(later);
    expect((await sweep()).restarted).toContain(id);
    clock.mockRestore();
    const ended = await harness.endAnyhow(id);
    expect(ended).toMatchObject({ failure: { code: "execution-lost" }, runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });

  it("is called `unknown` when its executions are lost again and again", async () => {
    const { id, vm } = await harness.begin("precopies");
    await harness.runUntilIdle();
    await stopExecutions();
    for (let lost = 1; lost <= 5; lost += 1) {
      harness.intercept = stopAt(harness, "Observe", false);
      expect((await sweep()).restarted).toContain(id);
      await harness.runUntilIdle();
    }
    expect((await sweep()).frozen).toEqual([id]);
    expect(await harness.record(id)).toMatchObject({ status: "unknown" });
    expect(await harness.vm(vm)).toMatchObject({ state: "unknown", lockedBy: id });
    harness.intercept = (_, call) => call();
    expect(await harness.post(`/v1/vms/${vm}/reconcile`)).toBe(202);
    const ended = await harness.endAnyhow(id);
    expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });

  it("a migration whose execution runs is left alone", async () => {
    const { id, vm } = await harness.begin("precopies");
    await harness.runUntilIdle();
    expect(await sweep()).toMatchObject({ examined: 1, restarted: [], failed: [] });
    expect(await harness.post(`/v1/vms/${vm}/reconcile`)).toBe(409);
    await harness.post(`/v1/migrations/${id}/cancel`);
    await expectInvariants(harness, await harness.end(id));
  });
});
