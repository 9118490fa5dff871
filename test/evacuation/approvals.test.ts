import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let harness: EvacuationHarness;
beforeAll(async () => {
  harness = await EvacuationHarness.start();
});
afterAll(() => harness?.close());

const approval = { approvers: 2, otherThanPlanner: true, deadlineMs: 3_600_000 };

async function approve(id: string, version: number, by: string) {
  const { status, body } = await operate("POST", `/v1/evacuations/${id}/approve`, { version, by });
  return { ...body, status } as { status: number; code?: string };
}

const given = async (id: string, version: number) =>
  (await harness.read(id)).approvals.filter((one) => one.version === version).length;

/** One guest on a, and two hosts for it. The first target is cordoned, so that version 2 is right. */
async function begin() {
  const { a = "", b = "", c = "" } = await harness.fleet({ a: 1, b: 0, c: 0 });
  const { id } = await harness.plan([a], { by: "pat", approval });
  const { body } = await operate("GET", `/v1/evacuations/${id}/plans/1`);
  const { moves } = (body as { plan: { moves: { target: string }[] } }).plan;
  const first = moves[0]?.target ?? "";
  expect([b, c]).toContain(first);
  const change = () => operate("POST", `/v1/hosts/${first}/cordon`, { owner: "ops" });
  return { id, a, change };
}

describe("approvers and versions", () => {
  it("each person counts once, for the version that he has read, and until the deadline", async () => {
    const { id, a, change } = await begin();
    expect(await approve(id, 1, "pat")).toMatchObject({ status: 403, code: "approver-is-planner" });
    await approve(id, 1, "quinn");
    expect(await given(id, 1)).toBe(1);
    await approve(id, 1, "quinn");
    expect(await given(id, 1)).toBe(1);
    await change();
    expect(await approve(id, 1, "robin")).toMatchObject({ status: 409, code: "plan-changed" });
    await approve(id, 2, "robin");
    expect([await given(id, 1), await given(id, 2)]).toEqual([1, 1]);
    expect((await harness.read(id)).status).toBe("planned");
    await harness.runTo(harness.clock.now() + approval.deadlineMs);
    expect((await harness.read(id)).status).toBe("expired");
    const late = await approve(id, 2, "quinn");
    expect(late).toMatchObject({ status: 409, code: "approval-expired" });
    expect((await operate("GET", `/v1/hosts/${a}`)).body).toMatchObject({ cordons: [] });
  });

  it("two persons who approve the same version start it, once", async () => {
    const { id, change } = await begin();
    await approve(id, 1, "quinn");
    await change();
    await approve(id, 1, "robin");
    await Promise.all([approve(id, 2, "robin"), approve(id, 2, "quinn")]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 1 } });
    expect(ended.executionArn).toMatch(/-1$/);
  });

  it("nobody can approve what somebody has rejected", async () => {
    const { id } = await begin();
    await harness.act(id, "reject", { by: "robin", message: "not now" });
    expect(await harness.read(id)).toMatchObject({
      status: "rejected",
      endedBy: { author: "robin", message: "not now" },
    });
    expect((await approve(id, 1, "quinn")).status).toBe(409);
  });
});

describe("what changes beside a plan", () => {
  it("makes no new version and no review where no placement changes by it", async () => {
    const { a = "", z = "" } = await harness.fleet({ a: 1, b: 0, c: 0, z: 1 });
    const { id } = await harness.plan([a]);
    await operate("PATCH", `/v1/hosts/${z}`, { labels: { rack: "9" } });
    const agent = harness.guests.agents.find(({ host }) => host === z);
    if (agent === undefined) throw new Error(`Expected the agent of ${z}`);
    await harness.guests.powerOff(harness.vm("z1"), agent);
    for (let minute = 0; minute < 10; minute += 1) {
      await harness.runTo(harness.clock.now() + 60_000);
      for (const one of harness.guests.agents) await one.emit();
    }
    expect(await harness.act(id, "approve", { version: 1, by: "quinn" })).toMatchObject({
      version: 1,
      approvedVersion: 1,
    });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", version: 1, counters: { moved: 1 } });
  });
});
