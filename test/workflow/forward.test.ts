import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Verb } from "../../core/protocol/command.ts";
import { expectKept } from "./testing/expect-kept.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import type { Trick } from "./testing/hosts.ts";
import { WorkflowStage } from "./testing/stage.ts";

let stage: WorkflowStage;

beforeAll(async () => {
  stage = await WorkflowStage.start();
});
afterAll(() => stage?.close());

const moved = { status: "completed", runningOn: "host-b" };
const stayed = { status: "failed", runningOn: "host-a" };

/** Given up for good here, the guest has not left yet. */
const BEFORE_START = ["Probe", "Negotiate", "Prepare", "Precopy"];
const BEYOND = ["Complete", "Discard"];
/** Passed over by a migration that is ahead of its workflow. */
const WAITS = ["AwaitAck", "Switchover", "Confirm"];
const FOR_GOOD = "fails until its tries are used up";

async function expectEnd(id: string, end: typeof moved, onIdle = async () => false) {
  const ended = await stage.end(id, { onIdle });
  expect(ended).toMatchObject(end);
  await expectKept(stage, ended);
}

describe("a migration is carried to its end, and nothing is left of it, when", () => {
  it.each(faultsOf([...BEFORE_START, ...BEYOND]))("the function of %s %s", async (state, fault) => {
    const { id } = await stage.begin("completes", {}, faults[fault](stage, state));
    const isGivenUp = fault === FOR_GOOD && BEFORE_START.includes(state);
    await expectEnd(id, isGivenUp ? stayed : moved);
    expect(stage.struck).toBeGreaterThan(0);
  });

  it.each(faultsOf(WAITS))("the function of %s %s", async (state, fault) => {
    const { id } = await stage.begin("awaits-ack", {}, faults[fault](stage, state));
    let isAcked = false;
    const onIdle = async () => {
      if (isAcked || !stage.calls.includes("AwaitAck")) return false;
      isAcked = true;
      await stage.hosts.ack();
      return true;
    };
    await expectEnd(id, moved, onIdle);
    expect(stage.struck).toBeGreaterThan(0);
  });

  it.each(faultsOf(["Admit", "AwaitTurn"]))(
    "hosts are full, and the function of %s %s",
    async (state, fault) => {
      const others = await stage.fillSlots();
      const { id } = await stage.begin("completes", {}, faults[fault](stage, state));
      await expectEnd(id, fault === FOR_GOOD ? stayed : moved);
      expect(stage.struck).toBeGreaterThan(0);
      for (const other of others) await stage.end(other);
    },
  );

  // A verb, what its agent does with it, how it ends.
  const tricks: [Verb, Trick, typeof moved][] = [
    ["source.probe", "deaf", stayed],
    ["source.probe", "mute", stayed],
    ["source.probe", "refuses", stayed],
    ["source.probe", "stutters", moved],
    ["target.probe", "deaf", stayed],
    ["target.probe", "refuses", stayed],
    ["target.prepare", "deaf", stayed],
    ["target.prepare", "mute", stayed],
    ["target.prepare", "refuses", stayed],
    ["target.prepare", "stutters", moved],
    // Sent again under the same id when nobody has said a word for a minute.
    ["source.start", "deaf", moved],
    ["source.start", "mute", moved],
    ["source.start", "refuses", stayed],
    ["source.start", "stutters", moved],
    ["source.discard", "deaf", moved],
    ["source.discard", "mute", moved],
    ["source.discard", "refuses", moved],
    ["source.discard", "stutters", moved],
  ];
  it.each(tricks)("%s meets an agent that is %s", async (verb, trick, end) => {
    const { id } = await stage.begin("completes");
    stage.hosts.tricks.set(verb, [trick]);
    await expectEnd(id, end);
  });
  it("a finished source that would not go is told again", async () => {
    const { id } = await stage.begin("completes");
    stage.hosts.tricks.set("source.discard", ["refuses", "deaf", "refuses"]);
    await expectEnd(id, moved);
    expect(stage.hosts.guest).toMatchObject({ source: "exited" });
  });
});
