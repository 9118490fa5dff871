import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Verb } from "../../core/protocol/command.ts";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import { WorkflowHarness } from "./testing/harness.ts";
import type { AgentFault } from "./testing/hosts.ts";

const policy = { convergence: { ladder: "post-copy" } } as const;
/** None of these may be sent once postcopy has begun. */
const FORBIDDEN: Verb[] = ["source.cancel", "source.resume", "target.discard", "target.resume"];

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
});
afterAll(() => harness?.close());

async function expectMoved(id: string): Promise<void> {
  const ended = await harness.end(id);
  expect(ended.failure).toBeUndefined();
  expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
  await expectUntouched();
  await expectInvariants(harness, ended);
}

async function expectUntouched(): Promise<void> {
  expect(harness.hosts.executed.filter((verb) => FORBIDDEN.includes(verb))).toEqual([]);
}

describe("postcopy that breaks", () => {
  it.each([0, 1, 7])("completes when it breaks %d times more", async (breaksAgain) => {
    const { id } = await harness.begin("breaks-in-postcopy", policy);
    harness.hosts.breaksAgain = breaksAgain;
    await expectMoved(id);
    const states = await harness.states(id);
    expect(states.filter((state) => state === "RecoverSource")).toHaveLength(1 + breaksAgain);
    expect(states).not.toContain("Observe");
  });

  const agentFaults: [Verb, AgentFault][] = (["target.recover", "source.recover"] as const).flatMap(
    (verb) =>
      (
        [
          "ignores it",
          "executes it and loses the answer",
          "refuses it",
          "answers it twice",
        ] as const
      ).map((fault): [Verb, AgentFault] => [verb, fault]),
  );
  it.each(agentFaults)("is recovered when %s arrives and the agent %s", async (verb, fault) => {
    const { id } = await harness.begin("breaks-in-postcopy", policy);
    harness.hosts.faults.set(verb, [fault]);
    await expectMoved(id);
    expect(harness.hosts.faultsLeft).toBe(0);
  });

  const states = ["RecoverTarget", "RecoverSource", "AwaitPostcopy"];
  it.each(faultsOf(states))("is recovered when the function of %s %s", async (state, fault) => {
    const { id } = await harness.begin("breaks-in-postcopy", policy, faults[fault](harness, state));
    await expectMoved(id);
    expect(harness.faultsInjected).toBeGreaterThan(0);
  });

  it("is recovered after four failed attempts; a success resets the count", async () => {
    const { id } = await harness.begin("breaks-in-postcopy", policy);
    harness.hosts.breaksAgain = 1;
    const failures: AgentFault[] = ["refuses it", "refuses it", "refuses it", "refuses it"];
    const one: (AgentFault | undefined)[] = [...failures, undefined, ...failures];
    harness.hosts.faults.set("source.recover", one);
    await expectMoved(id);
    expect(harness.hosts.faultsLeft).toBe(0);
  });

  it.each([
    ["postcopy is still paused", "refuses it"],
    ["the last attempt succeeded and its answer was lost", "executes it and loses the answer"],
  ] as const)(
    "ends as unknown after five failed attempts and changes nothing; reconciled, it completes: %s",
    async (_, last) => {
      const { id, vm } = await harness.begin("breaks-in-postcopy", policy);
      harness.hosts.faults.set("source.recover", [
        "refuses it",
        "refuses it",
        "ignores it",
        "refuses it",
        last,
      ]);
      const ended = await harness.end(id);
      expect(ended).toMatchObject({ status: "unknown", failure: { code: "unknown-state" } });
      expect(ended.failure?.state).toMatch(/5 attempts.*the guest waits on the target/);
      expect(ended.failure?.cure).toMatch(/until a person decides/);
      await expectUntouched();
      await expectInvariants(harness, ended);
      expect(await harness.post(`/v1/vms/${vm}/reconcile`)).toBe(202);
      const again = await harness.end(id, { turn: 1 });
      expect(again).toMatchObject({ status: "completed", runningOn: "host-b" });
      await expectUntouched();
      await expectInvariants(harness, again);
    },
  );

  it("is observed after minutes without an event, and is waited for again", async () => {
    const { id } = await harness.begin("remains-in-postcopy", policy);
    let silences = 0;
    const onIdle = async () => {
      silences += 1;
      if (!(await harness.states(id)).includes("Observe")) return false;
      await harness.hosts.endPostcopy();
      return true;
    };
    const ended = await harness.end(id, { onIdle });
    expect(silences).toBeGreaterThan(5);
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    await expectUntouched();
    await expectInvariants(harness, ended);
  });
});
