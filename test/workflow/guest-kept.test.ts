import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { WorkflowHarness } from "./testing/harness.ts";

const TRANSITIONS_MAX = 20;

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
});
afterAll(() => harness?.close());

const late = (onTimeout: "cancel" | "proceed" | "hold") => ({
  ack: { deadlineMs: 60_000, onTimeout },
});
/** The ACK comes while the sides are observed: too late to move a guest that must be kept. */
const ackWhileObserved = async (state: string, call: () => Promise<unknown>) => {
  const done = await call();
  if (state === "Observe") await harness.hosts.ack();
  return done;
};

describe("a guest that must be kept on the source", () => {
  it.each([
    ["an overdue ACK, policy cancel", "awaits-ack", late("cancel"), undefined, "ack-timeout"],
    ["an overdue ACK, policy proceed", "awaits-ack", late("proceed"), undefined, "ack-timeout"],
    ["a waived ACK", "awaits-ack", late("hold"), "waive-ack", "ack-waived"],
    ["a cancel while the ACK is awaited", "awaits-ack", {}, "cancel", "migration-cancelled"],
    ["a cancel in precopy", "precopies", {}, "cancel", "migration-cancelled"],
    [
      "a cancel of a gated migration",
      "holds",
      { switchover: { mode: "gated" } },
      "cancel",
      "migration-cancelled",
    ],
  ] as const)(
    "%s: source.cancel is sent before anything is observed",
    async (_, course, policy, ask, code) => {
      const { id } = await harness.begin(course, policy);
      harness.intercept = ackWhileObserved;
      await harness.runUntilIdle();
      if (ask !== undefined) expect(await harness.post(`/v1/migrations/${id}/${ask}`)).toBe(202);
      const ended = await harness.end(id);
      const { executed } = harness.hosts;
      expect(executed.indexOf("source.cancel")).toBeGreaterThan(0);
      expect(executed.indexOf("source.cancel")).toBeLessThan(executed.indexOf("migration.observe"));
      expect(ended).toMatchObject({
        status: code === "migration-cancelled" ? "cancelled" : "failed",
        failure: { code },
        runningOn: "host-a",
      });
      expect((await harness.states(id)).length).toBeLessThanOrEqual(TRANSITIONS_MAX);
      if (ended.successor === undefined) await expectInvariants(harness, ended);
      else await expectInvariants(harness, await harness.end(ended.successor));
    },
  );

  it("moves nevertheless when the cancel comes after the point of no return", async () => {
    const { id } = await harness.begin("awaits-ack", late("cancel"));
    harness.intercept = async (state, call) => {
      if (state === "AckExpired") await harness.hosts.ack();
      return call();
    };
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect(harness.hosts.executed).toContain("source.cancel");
    await expectInvariants(harness, ended);
  });

  it("is kept when the source's agent does not answer the cancel at once", async () => {
    const { id } = await harness.begin("precopies");
    harness.intercept = (_, call) => call();
    await harness.runUntilIdle();
    harness.hosts.faults.set("source.cancel", ["ignores it"]);
    expect(await harness.post(`/v1/migrations/${id}/cancel`)).toBe(202);
    const ended = await harness.end(id);
    expect(harness.hosts.faultsLeft).toBe(0);
    expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });

  it("is kept, and a target whose QEMU remains silent is ended", async () => {
    const { id } = await harness.begin("awaits-ack", late("cancel"));
    harness.hosts.targetRemainsSilent = true;
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
    expect(ended.failure?.state).toMatch(/the target is gone/);
    await expectInvariants(harness, ended);
  });
});
