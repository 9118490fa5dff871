import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Verb } from "../../core/protocol/command.ts";
import { expectKept } from "./testing/expect-kept.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import type { Trick } from "./testing/hosts.ts";
import { WorkflowStage } from "./testing/stage.ts";

const policy = { convergence: { ladder: "post-copy" } } as const;
/** None of these may be sent once postcopy has begun. */
const FORBIDDEN: Verb[] = ["source.cancel", "source.resume", "target.discard", "target.resume"];

let stage: WorkflowStage;

beforeAll(async () => {
  stage = await WorkflowStage.start();
});
afterAll(() => stage?.close());

async function expectMoved(id: string): Promise<void> {
  const ended = await stage.end(id);
  expect(ended.failure).toBeUndefined();
  expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
  await expectUntouched();
  await expectKept(stage, ended);
}

async function expectUntouched(): Promise<void> {
  expect(stage.hosts.seen.filter((verb) => FORBIDDEN.includes(verb))).toEqual([]);
}

describe("postcopy that breaks", () => {
  it.each([0, 1, 7])("goes on to its end when it breaks %d times more", async (breaksAgain) => {
    const { id } = await stage.begin("breaks-in-postcopy", policy);
    stage.hosts.breaksAgain = breaksAgain;
    await expectMoved(id);
    const states = await stage.states(id);
    expect(states.filter((state) => state === "RecoverSource")).toHaveLength(1 + breaksAgain);
    expect(states).not.toContain("Observe");
  });

  const tricks: [Verb, Trick][] = (["target.recover", "source.recover"] as const).flatMap((verb) =>
    (["deaf", "mute", "refuses", "stutters"] as const).map((trick): [Verb, Trick] => [verb, trick]),
  );
  it.each(tricks)("is recovered all the same: %s, the agent %s", async (verb, trick) => {
    const { id } = await stage.begin("breaks-in-postcopy", policy);
    stage.hosts.tricks.set(verb, [trick]);
    await expectMoved(id);
  });

  const states = ["RecoverTarget", "RecoverSource", "AwaitPostcopy"];
  it.each(faultsOf(states))(
    "is recovered all the same: the function of %s %s",
    async (state, fault) => {
      const { id } = await stage.begin("breaks-in-postcopy", policy, faults[fault](stage, state));
      await expectMoved(id);
      expect(stage.struck).toBeGreaterThan(0);
    },
  );

  it("is recovered again after four tries in vain, and a success begins the count anew", async () => {
    const { id } = await stage.begin("breaks-in-postcopy", policy);
    stage.hosts.breaksAgain = 1;
    const vain: Trick[] = ["refuses", "refuses", "refuses", "refuses"];
    const one: (Trick | undefined)[] = [...vain, undefined, ...vain];
    stage.hosts.tricks.set("source.recover", one);
    await expectMoved(id);
  });

  it.each([
    ["it is still paused", "refuses"],
    ["the last try was none, only nobody heard of it", "mute"],
  ] as const)(
    "calls a person after five tries in vain, and touches nothing; asked again, it goes on: %s",
    async (_, last) => {
      const { id, vm } = await stage.begin("breaks-in-postcopy", policy);
      stage.hosts.tricks.set("source.recover", ["refuses", "refuses", "deaf", "refuses", last]);
      const ended = await stage.end(id);
      expect(ended).toMatchObject({ status: "unknown", failure: { code: "unknown-state" } });
      expect(ended.failure?.state).toMatch(/5 attempts.*the guest waits on the target/);
      expect(ended.failure?.cure).toMatch(/until a person decides/);
      await expectUntouched();
      await expectKept(stage, ended);
      expect(await stage.post(`/v1/vms/${vm}/reconcile`)).toBe(202);
      const again = await stage.end(id, { turn: 1 });
      expect(again).toMatchObject({ status: "completed", runningOn: "host-b" });
      await expectUntouched();
      await expectKept(stage, again);
    },
  );

  it("is looked into when nobody says a word for minutes, and is waited for on", async () => {
    const { id } = await stage.begin("stays-in-postcopy", policy);
    let silences = 0;
    const onIdle = async () => {
      silences += 1;
      if (!(await stage.states(id)).includes("Observe")) return false;
      await stage.hosts.endPostcopy();
      return true;
    };
    const ended = await stage.end(id, { onIdle });
    expect(silences).toBeGreaterThan(5);
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    await expectUntouched();
    await expectKept(stage, ended);
  });
});
