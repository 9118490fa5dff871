import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { EvacuationMove } from "../../core/evacuation/evacuation.ts";
import { handler as deliverWebhooks } from "../../functions/task/deliver-webhooks.ts";
import { operate } from "../functions/testing/fleet.ts";
import { Receiver } from "../webhooks/testing/receiver.ts";
import type { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { acknowledge, noticed, noticeEvents } from "./testing/noticed.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const HOUR_MS = 3_600_000;

let scene: Scene;
let harness: EvacuationHarness;
const receiver = new Receiver();

beforeAll(async () => {
  process.env.WEBHOOK_RECEIVERS = "loopback";
  scene = await Scene.start();
  ({ harness } = scene);
});
afterAll(async () => {
  receiver.close();
  await scene?.close();
});

const startedAt = ({ tries }: EvacuationMove) => Date.parse(tries[0]?.startedAt ?? "");

describe("a VM whose owner is told before it moves", () => {
  it("waits until he acknowledges, while the others move; twice is once", async () => {
    const { id, vm, since, waits } = await noticed(scene);
    const move = await scene.move(id, "a1");
    const deadlineAt = move.notice?.deadlineAt ?? "";
    expect(move).toMatchObject({ state: "noticed", tries: [], notice: { otherwise: "move" } });
    expect(move.reason).toContain(`waits for its owner to acknowledge until ${deadlineAt}`);
    expect(waits).toMatchObject({ noticeUntil: deadlineAt });
    expect(waits.eta.remainingMs).toBeGreaterThan(3 * HOUR_MS);
    await harness.runTo(harness.clock.now() + HOUR_MS);
    const answers = [await acknowledge(id, vm), await acknowledge(id, vm, { message: "again" })];
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3, noticed: 0 } });
    const after = await scene.move(id, "a1");
    expect(after.notice?.acknowledged).toMatchObject({ by: "shop" });
    expect(startedAt(after)).toBeLessThan(Date.parse(deadlineAt));
    const events = await noticeEvents(scene, since);
    expect(events.map(({ type }) => type)).toEqual(["vm.move-planned", "vm.move-acknowledged"]);
    expect(events[0]).toMatchObject({
      subject: `vms/${vm}`,
      data: {
        vm,
        deadlineAt,
        plannedAt: deadlineAt,
        otherwise: "move",
        message: expect.stringMatching(/is to be emptied, planned by operator: a memory module$/),
        acknowledge: `/v1/evacuations/${id}/moves/${vm}/acknowledge`,
      },
    });
    const { body } = await operate("GET", "/v1/audit?limit=20");
    const audited = JSON.stringify(body.items);
    expect(audited).toContain("/moves/{vm}/acknowledge");
    await scene.expectSound(ended);
  });

  it("is held back at the deadline, if that is, until somebody retries it", async () => {
    const { id, vm, since } = await noticed(scene, { otherwise: "hold" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 2, skipped: 1, failed: 0 },
    });
    const held = await scene.move(id, "a1");
    expect(held).toMatchObject({ state: "skipped", tries: [], notice: { held: true } });
    expect(held.reason).toContain("its owner has not acknowledged the move by");
    expect(held.cure).toContain("ask its owner");
    const events = await noticeEvents(scene, since);
    expect(events.map(({ type }) => type)).toEqual(["vm.move-planned", "vm.move-held"]);
    const late = await acknowledge(id, vm);
    expect(late).toMatchObject({ status: 409, body: { code: "evacuation-not-running" } });
    await harness.act(id, `moves/${vm}/retry`, { by: "ada" });
    const again = await scene.end(id);
    expect(again).toMatchObject({ status: "completed", counters: { moved: 3 } });
    await scene.expectSound(again);
  });
});

it("is told to the webhooks of its tenant, with the way to acknowledge", async () => {
  const url = await receiver.listen();
  for (const tenants of [["shop"], ["mail"]]) {
    await scene.post("/v1/webhooks", { url, tenants, types: ["vm.move-planned"] });
  }
  const { id, vm } = await noticed(scene);
  await harness.runTo(harness.clock.now() + 5_000);
  expect(await deliverWebhooks({ workMs: 4_000 })).toEqual({ delivered: 1, failed: 0 });
  const [received] = receiver.received;
  const { type, data } = JSON.parse(received?.body ?? "{}");
  expect(type).toBe("switchyard.vm.move-planned");
  expect(data).toMatchObject({ vm, evacuation: id, otherwise: "move" });
  expect((await operate("POST", data.acknowledge, { by: "shop" })).status).toBe(202);
  expect(await scene.end(id)).toMatchObject({ status: "completed", counters: { moved: 3 } });
});
