import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SCHEDULES_MAX, ScheduleRequest } from "../../core/schedule/schedule.ts";
import { type Scheduler, startScheduler } from "../../emulators/aws/scheduler/scheduler.ts";
import { newScheduleId } from "../../functions/service/schedule-actions.ts";
import { createSchedule } from "../../functions/store/schedules.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { addHost, operate } from "../functions/testing/fleet.ts";
import { interceptTable } from "../functions/testing/intercept-table.ts";

let cloud: TestCloud;
let engine: Scheduler;

const start = (port = 0) => startScheduler({ port, invoke: () => Promise.resolve(undefined) });
beforeAll(async () => {
  cloud = await startTestCloud();
  engine = await start();
  process.env.AWS_ENDPOINT_URL_SCHEDULER = engine.endpoint;
  await addHost("host-a");
});
afterAll(() => Promise.all([engine?.close(), cloud?.close()]));

const by = { by: "ada" };
const wanted = {
  name: "nightly",
  starts: { cron: "0 22 * * *", zone: "UTC" },
  durationMs: 3_600_000,
  hosts: { ids: ["host-a"] },
};
const make = () => operate("POST", "/v1/schedules", wanted);
const list = async () => (await operate("GET", "/v1/schedules?limit=100")).body.items as unknown[];

async function made(): Promise<string> {
  const { status, body } = await make();
  expect({ status, body }).toMatchObject({ status: 201 });
  return `/v1/schedules/${body.id}`;
}

describe("a schedule that other requests change each time first", () => {
  it.each([
    ["PATCH", "", { name: "mine" }],
    ["POST", "/pause", by],
    ["DELETE", "", undefined],
  ])("is not changed by %s%s: schedule-changed", async (method, verb, body) => {
    const path = await made();
    let rivals = 0;
    const end = interceptTable(async (operation) => {
      if (operation !== "UpdateItem" && operation !== "DeleteItem") return;
      rivals += 1;
      await operate("PATCH", path, { name: `rival ${rivals}` });
    });
    const lost = await operate(method, `${path}${verb}`, body).finally(end);
    expect(lost).toMatchObject({ status: 409, body: { code: "schedule-changed" } });
    expect(lost.body.detail).toContain("try again");
    const { body: kept } = await operate("GET", path);
    expect(kept).toMatchObject({ name: `rival ${rivals}` });
    expect(kept.paused).toBeUndefined();
    expect((await operate(method, `${path}${verb}`, body)).status).toBeLessThan(300);
    await operate("DELETE", path);
  });
});

describe("while EventBridge Scheduler cannot be reached", () => {
  it("nothing is made, a change is written all the same, and both say so", async () => {
    const path = await made();
    const port = Number(new URL(engine.endpoint).port);
    await engine.close();
    const away = { status: 503, body: { code: "scheduler-unavailable" } };
    expect(await make()).toMatchObject(away);
    expect(await list()).toHaveLength(1);
    expect(await operate("POST", `${path}/pause`, by)).toMatchObject(away);
    expect((await operate("GET", path)).body).toMatchObject({ paused: { author: "ada" } });
    engine = await start(port);
    // Repeated, it ends.
    expect((await operate("POST", `${path}/pause`, by)).status).toBe(200);
    expect((await operate("DELETE", path)).status).toBe(204);
  });
});

describe("one schedule more than there may be", () => {
  it("is refused, with the bound and what to do", async () => {
    const at = new Date().toISOString();
    const request = ScheduleRequest.parse(wanted);
    const times = { handledAt: at, revision: 1, createdAt: at, updatedAt: at };
    const others = Array.from({ length: SCHEDULES_MAX - 1 }, () =>
      createSchedule({ ...request, id: newScheduleId(), ...times }),
    );
    await Promise.all(others);
    await made();
    const { status, body } = await make();
    expect({ status, body }).toMatchObject({ status: 409, body: { code: "too-many-schedules" } });
    expect(body.detail).toBe(
      `There are ${SCHEDULES_MAX} schedules already: delete one that is over`,
    );
  });
});
