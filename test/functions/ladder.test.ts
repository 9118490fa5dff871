import { afterAll, beforeAll, expect, test } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { handler as negotiate } from "../../functions/task/negotiate.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { prepared, sourceProbe, targetProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";
import { relay } from "./testing/relay.ts";

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a", { slotsOut: 8, slotsIn: 8 });
  target = await addHost("host-b", { slotsOut: 8, slotsIn: 8 });
});
afterAll(() => cloud.close());

const reason = "what is left has not become 4 % less for 40 s: stopping now would cost 2000 ms";

test("the start carries the ladder; climbed rungs and the failure to converge are recorded", async () => {
  const id = await begin("vm-1", { convergence: { ladder: "minimal-downtime" } });
  expect(await start(id)).toMatchObject({
    settings: { parameters: { "downtime-limit": 100, "max-cpu-throttle": 1 } },
    climb: {
      rungs: [
        { action: "throttle" },
        ...[150, 200, 300, 400, 500].map((downtimeLimitMs) => ({ downtimeLimitMs })),
        { action: "abort" },
      ],
      stall: { windowMs: 40_000, marginPercent: 4, smoothing: 0.4, silenceMs: 60_000 },
    },
  });

  const first = { rung: 1, action: "throttle", reason };
  const second = { rung: 2, action: "downtime-limit", downtimeLimitMs: 150, reason };
  await emit(id, { type: "migration.rung", ...first });
  await emit(id, { type: "migration.rung", ...second });
  // The same rung again, as after a crash between effect and acknowledgement.
  await emit(id, { type: "migration.rung", ...second });
  expect((await record(id)).rungs).toEqual([first, second]);

  await emit(id, {
    type: "migration.failed",
    side: "source",
    status: "cancelled",
    errorDescription: `no rung left: ${reason}`,
    code: "no-convergence",
  });
  const end = { action: "end", reason: "the guest runs on the source" };
  await endMigration({ migrationId: id, ...end, error: "MigrationFailed", cause: "cancelled" });
  expect(await record(id)).toMatchObject({
    status: "failed",
    runningOn: "host-a",
    failure: {
      code: "no-convergence",
      message: expect.stringContaining("no rung left"),
      state: expect.stringContaining("the guest is on host-a"),
    },
  });
});

test("without a ladder the start carries none", async () => {
  expect(await start(await begin("vm-2", {}))).not.toHaveProperty("climb");
});

test("an unknown ladder is refused", async () => {
  const body = { vm: "vm-1", target: "host-b", policy: { convergence: { ladder: "rope" } } };
  expect((await operate("POST", "/v1/migrations", body)).status).toBe(422);
});

const record = async (id: string) =>
  (await operate("GET", `/v1/migrations/${id}`)).body as unknown as Migration;

async function begin(vm: string, policy: Parameters<typeof addMigration>[2]): Promise<string> {
  await addVm(vm, source);
  const { id } = await addMigration(vm, "host-b", policy);
  await admit({ migrationId: id, taskToken: `admit-${id}` });
  const input = { migrationId: id, attempt: 1, interruptible: true, taskToken: `probe-${id}` };
  const commands = [
    { step: "probe-source", verb: "source.probe", side: "source" },
    { step: "probe-target", verb: "target.probe", side: "target" },
  ];
  await relay({ ...input, commands, phase: "probe" });
  const { qemu } = sourceProbe;
  const capabilities = [...qemu.capabilities, "auto-converge"];
  await source.complete({ ...sourceProbe, qemu: { ...qemu, capabilities } });
  await target.complete(targetProbe);
  await negotiate({ migrationId: id });
  return id;
}

/** Prepares and starts; returns the arguments of `source.start`. */
async function start(id: string): Promise<unknown> {
  const input = { migrationId: id, attempt: 1, interruptible: true, taskToken: `t-${id}` };
  const prepare = [{ step: "prepare", verb: "target.prepare", side: "target" }];
  await relay({ ...input, commands: prepare, phase: "prepare" });
  await target.complete(prepared);
  const commands = [{ step: "start", verb: "source.start", side: "source" }];
  await relay({ ...input, commands, phase: "precopy", awaits: "converged" });
  const [command] = await source.take();
  return command?.args;
}

async function emit(id: string, body: object) {
  const { epoch, vm } = await record(id);
  await source.emit({ migrationId: id, vm, epoch, ...body } as never);
}
