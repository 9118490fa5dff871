import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Verb } from "../../core/protocol/command.ts";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import { WorkflowHarness } from "./testing/harness.ts";
import type { AgentFault } from "./testing/hosts.ts";

let harness: WorkflowHarness;

beforeAll(async () => {
  harness = await WorkflowHarness.start();
});
afterAll(() => harness?.close());

const completed = { status: "completed", runningOn: "host-b" };
const failed = { status: "failed", runningOn: "host-a" };

/** A migration that is given up here leaves the guest on the source. */
const BEFORE_START = ["Probe", "Negotiate", "Prepare", "Precopy"];
const AFTER_START = ["Complete", "Discard"];
/** Skipped when the migration is ahead of its workflow. */
const WAITS = ["AwaitAck", "Switchover", "Confirm"];
const RETRIES_EXHAUSTED = "fails until its retries are exhausted";

async function expectEnd(id: string, end: typeof completed, onIdle = async () => false) {
  const ended = await harness.end(id, { onIdle });
  expect(ended).toMatchObject(end);
  await expectInvariants(harness, ended);
}

describe("a migration ends, and nothing is held for it afterwards, when", () => {
  it.each(faultsOf([...BEFORE_START, ...AFTER_START]))(
    "the function of %s %s",
    async (state, fault) => {
      const { id } = await harness.begin("completes", {}, faults[fault](harness, state));
      const isGivenUp = fault === RETRIES_EXHAUSTED && BEFORE_START.includes(state);
      await expectEnd(id, isGivenUp ? failed : completed);
      expect(harness.faultsInjected).toBeGreaterThan(0);
    },
  );

  it.each(faultsOf(WAITS))("the function of %s %s", async (state, fault) => {
    const { id } = await harness.begin("awaits-ack", {}, faults[fault](harness, state));
    let isAcked = false;
    const onIdle = async () => {
      if (isAcked || !harness.calls.includes("AwaitAck")) return false;
      isAcked = true;
      await harness.hosts.ack();
      return true;
    };
    await expectEnd(id, completed, onIdle);
    expect(harness.faultsInjected).toBeGreaterThan(0);
  });

  it.each(faultsOf(["Admit", "AwaitTurn"]))(
    "hosts are full, and the function of %s %s",
    async (state, fault) => {
      const others = await harness.fillSlots();
      const { id } = await harness.begin("completes", {}, faults[fault](harness, state));
      await expectEnd(id, fault === RETRIES_EXHAUSTED ? failed : completed);
      expect(harness.faultsInjected).toBeGreaterThan(0);
      for (const other of others) await harness.end(other);
    },
  );

  // A verb, what its agent does with it, how the migration ends.
  const cases: [Verb, AgentFault, typeof completed][] = [
    ["source.probe", "ignores it", failed],
    ["source.probe", "executes it and loses the answer", failed],
    ["source.probe", "refuses it", failed],
    ["source.probe", "answers it twice", completed],
    ["target.probe", "ignores it", failed],
    ["target.probe", "refuses it", failed],
    ["target.prepare", "ignores it", failed],
    ["target.prepare", "executes it and loses the answer", failed],
    ["target.prepare", "refuses it", failed],
    ["target.prepare", "answers it twice", completed],
    // Sent again under the same id after a minute without an event.
    ["source.start", "ignores it", completed],
    ["source.start", "executes it and loses the answer", completed],
    ["source.start", "refuses it", failed],
    ["source.start", "answers it twice", completed],
    ["source.discard", "ignores it", completed],
    ["source.discard", "executes it and loses the answer", completed],
    ["source.discard", "refuses it", completed],
    ["source.discard", "answers it twice", completed],
  ];
  it.each(cases)("%s arrives and the agent %s", async (verb, fault, end) => {
    const { id } = await harness.begin("completes");
    harness.hosts.faults.set(verb, [fault]);
    await expectEnd(id, end);
    expect(harness.hosts.faultsLeft).toBe(0);
  });
  it("the discard of a finished source is sent again until it succeeds", async () => {
    const { id } = await harness.begin("completes");
    harness.hosts.faults.set("source.discard", ["refuses it", "ignores it", "refuses it"]);
    await expectEnd(id, completed);
    expect(harness.hosts.faultsLeft).toBe(0);
    expect(harness.hosts.guest).toMatchObject({ source: "exited" });
  });
});
