import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectKept } from "./testing/expect-kept.ts";
import { WorkflowStage } from "./testing/stage.ts";

const TRANSITIONS_MAX = 20;

let stage: WorkflowStage;

beforeAll(async () => {
  stage = await WorkflowStage.start();
});
afterAll(() => stage?.close());

const late = (onTimeout: "cancel" | "proceed" | "hold") => ({
  ack: { deadlineMs: 60_000, onTimeout },
});
/** The ACK comes as soon as anybody turns: too late for whoever wants the guest to stay. */
const ackWhileLookedAt = async (state: string, call: () => Promise<unknown>) => {
  const done = await call();
  if (state === "Observe") await stage.hosts.ack();
  return done;
};

describe("a guest that is to stay", () => {
  it.each([
    ["an overdue ACK, policy cancel", "awaits-ack", late("cancel"), undefined, "ack-timeout"],
    ["an overdue ACK, policy proceed", "awaits-ack", late("proceed"), undefined, "ack-timeout"],
    ["a waived ACK", "awaits-ack", late("hold"), "waive-ack", "ack-waived"],
    ["a cancel in wait for the ACK", "awaits-ack", {}, "cancel", "migration-cancelled"],
    ["a cancel in precopy", "precopies", {}, "cancel", "migration-cancelled"],
    [
      "a cancel of a gated one",
      "holds",
      { switchover: { mode: "gated" } },
      "cancel",
      "migration-cancelled",
    ],
  ] as const)(
    "%s: the source is told before anybody turns",
    async (_, course, policy, ask, code) => {
      const { id } = await stage.begin(course, policy);
      stage.intercept = ackWhileLookedAt;
      await stage.settle();
      if (ask !== undefined) expect(await stage.post(`/v1/migrations/${id}/${ask}`)).toBe(202);
      const ended = await stage.end(id);
      const { seen } = stage.hosts;
      expect(seen.indexOf("source.cancel")).toBeGreaterThan(0);
      expect(seen.indexOf("source.cancel")).toBeLessThan(seen.indexOf("migration.observe"));
      expect(ended).toMatchObject({
        status: code === "migration-cancelled" ? "cancelled" : "failed",
        failure: { code },
        runningOn: "host-a",
      });
      expect((await stage.states(id)).length).toBeLessThanOrEqual(TRANSITIONS_MAX);
      if (ended.successor === undefined) await expectKept(stage, ended);
      else await expectKept(stage, await stage.end(ended.successor));
    },
  );

  it("moves all the same when the cancel comes after the point of no return", async () => {
    const { id } = await stage.begin("awaits-ack", late("cancel"));
    stage.intercept = async (state, call) => {
      if (state === "AckExpired") await stage.hosts.ack();
      return call();
    };
    const ended = await stage.end(id);
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect(stage.hosts.seen).toContain("source.cancel");
    await expectKept(stage, ended);
  });

  it("is left where it is when the source's agent does not answer the cancel at once", async () => {
    const { id } = await stage.begin("precopies");
    stage.intercept = (_, call) => call();
    await stage.settle();
    stage.hosts.tricks.set("source.cancel", ["deaf"]);
    expect(await stage.post(`/v1/migrations/${id}/cancel`)).toBe(202);
    const ended = await stage.end(id);
    expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
    await expectKept(stage, ended);
  });

  it("does not wait for ever for a target that stays silent", async () => {
    const { id } = await stage.begin("awaits-ack", late("cancel"));
    stage.hosts.targetStaysSilent = true;
    const ended = await stage.end(id);
    expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
    expect(ended.failure?.state).toMatch(/the target does not report its state/);
    await expectKept(stage, ended);
  });
});
