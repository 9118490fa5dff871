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

async function cancelled() {
  const { id } = await stage.begin("precopies");
  await stage.settle();
  expect(await stage.post(`/v1/migrations/${id}/cancel`)).toBe(202);
  return id;
}

describe("a cancelled migration leaves the guest where it was, and nothing else, when", () => {
  it.each(faultsOf(["CancelSource", "Observe", "Reconcile", "Undo", "EndMigration"]))(
    "the function of %s %s",
    async (state, fault) => {
      const { id } = await stage.begin("precopies");
      await stage.settle();
      stage.intercept = faults[fault](stage, state);
      await stage.post(`/v1/migrations/${id}/cancel`);
      const ended = await stage.end(id);
      expect(stage.struck).toBeGreaterThan(0);
      expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
      await expectKept(stage, ended);
    },
  );

  const verbs: Verb[] = ["source.cancel", "migration.observe", "target.discard"];
  const tricks: Trick[] = ["deaf", "mute", "refuses", "stutters"];
  it.each(verbs.flatMap((verb) => tricks.map((trick) => [verb, trick] as const)))(
    "%s meets an agent that is %s",
    async (verb, trick) => {
      const id = await cancelled();
      stage.hosts.tricks.set(verb, [trick]);
      const ended = await stage.end(id);
      expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
      await expectKept(stage, ended);
    },
  );

  it("an end says nothing at all for as long as it is asked", async () => {
    const id = await cancelled();
    stage.hosts.tricks.set("migration.observe", Array<Trick>(100).fill("deaf"));
    stage.hosts.tricks.set("source.cancel", Array<Trick>(100).fill("deaf"));
    const ended = await stage.end(id);
    expect(ended).toMatchObject({ status: "unknown", failure: { code: "unknown-state" } });
    await expectKept(stage, ended);
  });
});

describe("an ACK that comes after its deadline, and is held for, moves the guest when", () => {
  it.each(faultsOf(["AckExpired", "HoldForAck"]))("the function of %s %s", async (state, fault) => {
    const policy = { ack: { deadlineMs: 60_000, onTimeout: "hold" as const } };
    const { id } = await stage.begin("awaits-ack", policy, faults[fault](stage, state));
    const onIdle = async () => {
      if (!stage.calls.includes("HoldForAck") || stage.hosts.runsOn[0] === "host-b") return false;
      await stage.hosts.ack();
      return true;
    };
    const ended = await stage.end(id, { onIdle });
    expect(stage.struck).toBeGreaterThan(0);
    const isGivenUp = state === "AckExpired" && fault === "fails until its tries are used up";
    expect(ended).toMatchObject(
      isGivenUp
        ? { status: "failed", runningOn: "host-a" }
        : { status: "completed", runningOn: "host-b" },
    );
    await expectKept(stage, ended);
  });
});
