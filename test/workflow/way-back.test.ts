import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Verb } from "../../core/protocol/command.ts";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import { WorkflowHarness } from "./testing/harness.ts";
import { type AgentFault, agentFaults } from "./testing/hosts.ts";

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
});
afterAll(() => harness?.close());

async function cancelled() {
  const { id } = await harness.begin("precopies");
  await harness.runUntilIdle();
  expect(await harness.post(`/v1/migrations/${id}/cancel`)).toBe(202);
  return id;
}

describe("a cancelled migration leaves the guest on the source, and nothing is held for it, when", () => {
  it.each(faultsOf(["CancelSource", "Observe", "Reconcile", "Undo", "EndMigration"]))(
    "the function of %s %s",
    async (state, fault) => {
      const { id } = await harness.begin("precopies");
      await harness.runUntilIdle();
      harness.intercept = faults[fault](harness, state);
      await harness.post(`/v1/migrations/${id}/cancel`);
      const ended = await harness.end(id);
      expect(harness.faultsInjected).toBeGreaterThan(0);
      expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
      await expectInvariants(harness, ended);
    },
  );

  const verbs: Verb[] = ["source.cancel", "migration.observe", "target.discard"];
  it.each(verbs.flatMap((verb) => agentFaults.map((fault) => [verb, fault] as const)))(
    "%s arrives and the agent %s",
    async (verb, fault) => {
      const id = await cancelled();
      harness.hosts.faults.set(verb, [fault]);
      const ended = await harness.end(id);
      expect(harness.hosts.faultsLeft).toBe(0);
      expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
      await expectInvariants(harness, ended);
    },
  );

  it("a side never answers", async () => {
    const id = await cancelled();
    harness.hosts.faults.set("migration.observe", Array<AgentFault>(100).fill("ignores it"));
    harness.hosts.faults.set("source.cancel", Array<AgentFault>(100).fill("ignores it"));
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "unknown", failure: { code: "unknown-state" } });
    await expectInvariants(harness, ended);
  });
});

describe("an ACK after its deadline, with policy hold, still moves the guest when", () => {
  it.each(faultsOf(["AckExpired", "HoldForAck"]))("the function of %s %s", async (state, fault) => {
    const policy = { ack: { deadlineMs: 60_000, onTimeout: "hold" as const } };
    const { id } = await harness.begin("awaits-ack", policy, faults[fault](harness, state));
    const onIdle = async () => {
      if (!harness.calls.includes("HoldForAck") || harness.hosts.runsOn[0] === "host-b")
        return false;
      await harness.hosts.ack();
      return true;
    };
    const ended = await harness.end(id, { onIdle });
    expect(harness.faultsInjected).toBeGreaterThan(0);
    const isGivenUp = state === "AckExpired" && fault === "fails until its retries are exhausted";
    expect(ended).toMatchObject(
      isGivenUp
        ? { status: "failed", runningOn: "host-a" }
        : { status: "completed", runningOn: "host-b" },
    );
    await expectInvariants(harness, ended);
  });
});
