import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { EvacuationMove } from "../../core/evacuation/evacuation.ts";
import type { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { faults } from "../workflow/testing/faults.ts";
import { acknowledge, noticed, noticeEvents } from "./testing/noticed.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const HOUR_MS = 3_600_000;

let scene: Scene;
let harness: EvacuationHarness;

beforeAll(async () => {
  scene = await Scene.start();
  ({ harness } = scene);
});
afterAll(() => scene?.close());

const startedAt = ({ tries }: EvacuationMove) => Date.parse(tries[0]?.startedAt ?? "");

describe("a VM whose owner is told before it moves", () => {
  it("moves at the deadline, if that is the policy", async () => {
    const { id } = await noticed(scene);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    const after = await scene.move(id, "a1");
    expect(startedAt(after)).toBeGreaterThanOrEqual(Date.parse(after.notice?.deadlineAt ?? ""));
    await scene.expectSound(ended);
  });

  it("is not moved before the time that he asks for, within what the policy allows", async () => {
    const { id, vm } = await noticed(scene, { otherwise: "hold", postponeMs: HOUR_MS });
    const { notice } = await scene.move(id, "a1");
    const latestAt = notice?.latestAt ?? "";
    const late = new Date(Date.parse(latestAt) + 1).toISOString();
    expect(await acknowledge(id, vm, { notBefore: late })).toMatchObject({
      status: 422,
      body: { code: "invalid", errors: [{ field: "notBefore", received: late }] },
    });
    expect(await acknowledge(id, vm, { notBefore: latestAt })).toMatchObject({ status: 202 });
    expect(await harness.read(id)).toMatchObject({ noticeUntil: latestAt });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    expect(startedAt(await scene.move(id, "a1"))).toBeGreaterThanOrEqual(Date.parse(latestAt));
    await scene.expectSound(ended);
  });

  it("is moved at once by a single migration, and then it is gone", async () => {
    const { id, vm, hosts } = await noticed(scene, {}, 2);
    await scene.post("/v1/migrations", { vm, target: hosts.c });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 1, gone: 1 } });
    expect(await acknowledge(id, vm)).toMatchObject({ status: 409, body: { code: "move-over" } });
    await scene.expectSound(ended);
  });
});

describe("an evacuation whose VMs wait for their owners", () => {
  it("can be cancelled", async () => {
    const { id } = await noticed(scene);
    await harness.act(id, "cancel", { by: "ada" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "cancelled", counters: { moved: 2, skipped: 1 } });
    await scene.expectSound(ended);
  });

  it("can leave one where it is", async () => {
    const { id, vm } = await noticed(scene);
    await harness.act(id, `moves/${vm}/skip`, { by: "ada" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 2, skipped: 1 },
    });
    expect(await acknowledge(id, vm)).toMatchObject({ status: 409, body: { code: "move-over" } });
    await scene.expectSound(ended);
  });

  it("starts nothing while it is paused, whatever owners do", async () => {
    const { id, vm } = await noticed(scene);
    await harness.act(id, "pause", { by: "ada" });
    await acknowledge(id, vm);
    await harness.runTo(harness.clock.now() + 5 * HOUR_MS);
    expect(await harness.read(id)).toMatchObject({
      status: "paused",
      counters: { moved: 2, waiting: 1 },
    });
    await harness.act(id, "resume", { by: "ada" });
    expect(await scene.end(id)).toMatchObject({ status: "completed", counters: { moved: 3 } });
  });

  it.each(Object.keys(faults) as (keyof typeof faults)[])(
    "tells each owner once when a step %s",
    async (name) => {
      const hosts = await scene.fleet({ a: 2, b: 0 });
      const since = new Date().toISOString();
      harness.intercept = faults[name](harness, "Advance");
      const { id } = await harness.begin([hosts.a ?? ""], { notice: { deadlineMs: HOUR_MS } });
      const ended = await scene.end(id);
      expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
      const events = await noticeEvents(scene, since);
      expect(events.map(({ data }) => data.vm).toSorted()).toEqual(
        ["a1", "a2"].map((one) => harness.vm(one)),
      );
      await scene.expectSound(ended);
    },
  );
});
